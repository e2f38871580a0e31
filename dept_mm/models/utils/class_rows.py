"""Tensors with one row for each base class."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.utils.header import HeaderMixin
from dept_mm.structures import CLIPFeatures


class ClassRowsMixin(HeaderMixin):
    """Own one row for each base class, which is known by its identity.

    Its rows answer for exactly their classes, whatever classes stand beside
    them and in whatever order. From a checkpoint it takes the rows of its own
    classes; a checkpoint that lacks some of them is refused.

    Attributes:
        class_ids (tuple[str]): Identity of the class of each row.
        row_keys (tuple[str]): Names of the tensors that have the rows.
    """
    class_ids: tuple[str, ...]
    row_keys: tuple[str, ...] = ()

    def match(self, feats: CLIPFeatures) -> tuple[list[int], list[int]]:
        """Return the columns of ``feats.labels`` that have a row here, and the
        rows."""
        row = {key: i for i, key in enumerate(self.class_ids)}
        pairs = [(column, row[feats.ids[label]])
                 for column, label in enumerate(feats.labels.tolist())
                 if feats.ids[label] in row]
        return [c for c, _ in pairs], [r for _, r in pairs]

    def rows_of(self, feats: CLIPFeatures, target: Tensor) -> Tensor:
        """Return the row of each target, which is a column of
        ``feats.labels``.

        Raises:
            DeptError: If a target's class has no row.
        """
        columns, rows = self.match(feats)
        row_of = torch.full_like(feats.labels, -1)
        row_of[columns] = row_of.new_tensor(rows)
        found = row_of[target]
        if bool((found < 0).any()):
            wrong = int(feats.labels[target[found < 0][0]])
            raise DeptError(f'{type(self).__name__} has no row for class '
                            f'{feats.ids[wrong]!r}: it was built for other '
                            'base classes.')
        return found

    def find_rows(self, ids: Sequence[str]) -> list[int]:
        """Return the row of each image, from the identity of its class.

        Raises:
            DeptError: If a class has no row.
        """
        row = {key: i for i, key in enumerate(self.class_ids)}
        if unknown := sorted(set(ids) - set(row)):
            raise DeptError(
                f'{type(self).__name__} has no row for images of '
                f'{unknown[:5]}, which are not base classes of its '
                "vocabulary. Train on task='base', or make them base classes.")
        return [row[key] for key in ids]

    def header(self) -> dict:
        """List the classes that own the rows, in order."""
        return dict(classes=list(self.class_ids))

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Pick the rows of this module's classes from a checkpoint."""
        theirs, own = found['classes'], list(self.class_ids)
        missing = sorted(set(own) - set(theirs))
        if missing:
            raise DeptError(
                f"The checkpoint's {type(self).__name__} was trained on other "
                f'classes than this model has: {missing[:5]} are not among '
                f'its {len(theirs)}, {theirs[:5]} ... . Give it the data set '
                "it was trained on as its 'vocabulary': whatever classes the "
                'backbone scores, some of these or others, it answers for '
                'its own. To score without it, use CLIPHead and no neck.')
        order = [theirs.index(key) for key in own]
        for key in self.row_keys:
            # Another number of rows is refused with the other shapes.
            if len(state.get(prefix + key, ())) == len(theirs):
                state[prefix + key] = state[prefix + key][order]
