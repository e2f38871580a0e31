"""Data sets of texts with labels, values or accepted answers."""
from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.language.draws import (
    Share,
    draw_examples,
    draw_part,
    draw_shots,
)
from dept_mm.language.hub import SPLITS, read_hub
from dept_mm.language.layouts import LAYOUTS
from dept_mm.language.reading import get_column, read_file
from dept_mm.language.task import Task
from dept_mm.registry import DATASETS


@DATASETS.register_module()
class TextDataset(BaseDataset):
    """A data set whose samples are rows of texts, from files or the Hub.

    A sample consists of ``inputs``, a dict of its texts by name, and
    ``data_samples`` with ``gt_label``, in regression ``gt_value``, or, where
    answers are texts, ``gt_texts`` with the one to learn first.

    Args:
        task (str | Mapping | Task): The task; see ``Task.resolve``.
        split (str): A split of the task's ``files``. Defaults to 'train'.
        source (str): 'files' reads published files, and 'hub' asks the
            library ``datasets`` for ``task.hub``. Defaults to 'files'.
        ann_file (str): File to read instead of the split's. Defaults to ''.
        data_root (str): Folder of the file. Defaults to ''.
        part (tuple, optional): Start and end of the part to use when the rows
            are shuffled, as fractions (floats) or counts: ``(0, 0.5)`` is
            one half of a file and ``(0.5, None)`` the other, ``(1000, None)``
            leaves out 1000 rows. Defaults to None, all rows.
        num_examples (int, optional): Number of examples to draw; the class
            frequencies are kept. Defaults to None, all examples.
        skip (int): Number of examples that belong to another draw of
            ``num_examples`` with this seed: with 500, the examples are drawn
            from what ``num_examples=500`` leaves. Defaults to 0.
        num_shots (int, optional): Number of examples to draw per class.
            Defaults to None, all examples.
        seed (int): Seed of the draw. Defaults to 1.
        part_seed (int): Seed of the shuffle for ``part``. Defaults to 42, as
            in the public code.
        **kwargs: Arguments of mmengine's ``BaseDataset``.

    Raises:
        DeptError: If a file, column, label or answer is missing, or a class
            has too few examples.

    Examples:
        >>> dataset = dict(
        ...     type='TextDataset', task='sst2', data_root='data/SST-2',
        ...     split='train', num_shots=16)
    """

    def __init__(self, task: str | Mapping | Task, split: str = 'train',
                 source: str = 'files', ann_file: str = '',
                 data_root: str = '',
                 part: Sequence[Share] | None = None,
                 num_examples: int | None = None, skip: int = 0,
                 num_shots: int | None = None, seed: int = 1,
                 part_seed: int = 42, **kwargs) -> None:
        self.task, self.split = Task.resolve(task), split
        if source not in ('files', 'hub'):
            raise DeptError(f'TextDataset: source {source!r} is neither '
                            "'files' nor 'hub'.")
        self.source = source
        if source == 'hub':
            self.task = self.task.on_hub()
        elif not ann_file and split not in self.task.files:
            raise DeptError(f'TextDataset: the task has no file for split '
                            f'{split!r}, only for {sorted(self.task.files)}; '
                            'give ann_file.')
        if num_examples and num_shots:
            raise DeptError('TextDataset: give num_examples or num_shots, not '
                            'both.')
        self.part, self.part_seed = part, part_seed
        self.num_examples, self.num_shots = num_examples, num_shots
        self.skip, self.seed = skip, seed
        super().__init__(ann_file=ann_file or self.task.files.get(split, ''),
                         data_root=osp.expanduser(data_root),
                         metainfo=dict(classes=self.task.classes,
                                       measures=self.task.measures), **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the samples, in the order of the file if no part is taken."""
        rows = [self._make_sample(row, where)
                for where, record in self._read()
                for row in LAYOUTS[self.task.layout](record)]
        rows = [row for row in rows if row['gt'] is not None]
        groups: dict[tuple, int] = {}
        for row in rows:
            row['group'] = groups.setdefault(row['group'], len(groups))
        if self.part is not None:
            rows = [rows[i] for i in draw_part(len(rows), self.part,
                                               self.part_seed)]
        rows = self._draw(rows)
        if not rows:
            raise DeptError(f'{self.origin}: no samples are left.')
        if self.task.all_answers and not self.test_mode:
            rows = [dict(row, gt=[answer, *row['gt']]) for row in rows
                    for answer in row['gt']]
        return rows

    @property
    def origin(self) -> str:
        """Where the samples come from, for messages."""
        return self.ann_file if self.source == 'files' else (
            f'{self.task.hub["path"]}, {self.split}')

    def _read(self) -> list[tuple[str, Mapping]]:
        if self.source == 'files':
            return read_file(Path(self.ann_file), self.task.header)
        hub = self.task.hub
        return read_hub(hub['path'], self.split, hub.get('name'),
                        hub.get('splits', SPLITS))

    def _make_sample(self, row: Mapping, where: str) -> dict:
        task = self.task
        try:
            texts = {name: str(get_column(row, column)).strip()
                     for name, column in task.columns.items()}
            group = tuple(str(get_column(row, name)) for name in task.group)
            value = get_column(row, task.answers or task.label)
        except (KeyError, TypeError) as error:
            raise DeptError(
                f'{where}: no column {error}; the columns are {sorted(row)}.'
            ) from error
        return dict(texts=texts, group=group, gt=self._read_answer(
            value, where))

    def _read_answer(self, value: object, where: str
                     ) -> int | float | list[str] | None:
        """Read a label, a value or accepted answers."""
        task = self.task
        if task.answers:
            if isinstance(value, str) or not value:
                raise DeptError(f'{where}: {task.answers} is {value!r}, but '
                                'must be a list of accepted answers.')
            return [str(text).strip() for text in value]
        if not task.classes:
            return float(value)
        label = task.find_label(value)
        # SNLI and MNLI write '-' where the annotators disagree.
        if label is None and str(value).strip() != '-':
            raise DeptError(
                f'{where}: {task.label} is {value!r}, which is none of '
                f'{task.classes} and none of '
                f'{task.values or "their numbers"}.')
        return label

    def _draw(self, rows: list[dict]) -> list[dict]:
        """Draw a few examples; the draw depends only on the seed."""
        labels = [row['gt'] if self.task.classes else None for row in rows]
        try:
            if self.num_examples:
                chosen = draw_examples(labels, self.num_examples, self.seed,
                                       self.skip)
            elif self.num_shots:
                chosen = draw_shots(labels, self.num_shots, self.seed)
            else:
                return rows
        except DeptError as error:
            raise DeptError(f'{self.origin}: {error}') from None
        return [rows[i] for i in chosen]

    def prepare_data(self, idx: int) -> dict:
        """Return one sample in the form that the model expects."""
        info = self.get_data_info(idx)
        sample = DataSample()
        if self.task.classes:
            sample.set_gt_label(info['gt'])
        elif self.task.answers:
            sample.set_field(info['gt'], 'gt_texts')
        else:
            sample.set_field(info['gt'], 'gt_value')
        sample.set_field(info['group'], 'group')
        return dict(inputs=info['texts'], data_samples=sample)
