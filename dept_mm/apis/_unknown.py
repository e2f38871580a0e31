"""Measure whether a model notices that an image shows none of its classes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from dept_mm.apis._samples import build_split, collect_logits, find_dataset
from dept_mm.apis.tuned_model import TunedModel
from dept_mm.errors import DeptError
from dept_mm.evaluation.none_of_these import (
    KNOWN_SCORES,
    measure_detection,
    score_local_match,
)
from dept_mm.models.utils.similarity import local_similarity


def measure_unknown(model: TunedModel, far: Mapping | None = None,
                    batch_size: int = 100, num_workers: int = 0
                    ) -> dict[str, dict]:
    """Measure how well scores separate known from unknown test images.

    Known are the test images of the base classes; *near* unknown are those of
    the new classes of the same data set; *far* unknown are those of another
    data set, but for classes that are base classes too. All are scored among
    the base classes alone.

    Args:
        model (TunedModel): A model that knows which classes are base classes.
        far (Mapping, optional): Config of another data set.
        batch_size (int): Images per batch. Defaults to 100.
        num_workers (int): Processes that read images. Defaults to 0.

    Returns:
        dict[str, dict]: For ``'near'`` and ``'far'``, if there are such
        images: ``known`` and ``unknown``, the numbers of images, and for each
        of ``KNOWN_SCORES`` the result of ``measure_detection``; for
        ``'gl_mcm'``, too, where the backbone has features of patches
        (``local=True``).

    Raises:
        DeptError: If the config of the model has no data set, the model has
            no class list, or there is nothing unknown.
    """
    known = getattr(model.module.backbone, 'vocabulary', None)
    if known is None:
        raise DeptError('The model has no class list that says which classes '
                        'it was tuned on.')
    base = list(known.base_labels)

    local = getattr(model.module.backbone, 'local', False)
    way = dict(score=partial(_score_patches, base)) if local else {}

    def score(dataset: Mapping) -> tuple[dict, torch.Tensor]:
        """Score test images; say which are of base classes."""
        logits, ids = collect_logits(
            model, build_split(model, dataset, 'test', task='all'),
            batch_size, num_workers, **way)
        patches, logits = logits[:, -1], logits[:, base].double()
        scores = {kind: function(logits, model.logit_scale)
                  for kind, function in KNOWN_SCORES.items()}
        if local:
            scores['gl_mcm'] = scores['mcm'] + patches.double()
        return scores, torch.tensor([key in known.base for key in ids])

    own, is_base = score(find_dataset(model))
    unknown = dict(near=(own, is_base))
    if far is not None:
        unknown['far'] = score(far)
    found = {
        name: dict(known=int(is_base.sum()), unknown=int((~other).sum()), **{
            kind: measure_detection(own[kind][is_base].numpy(),
                                    scores[kind][~other].numpy())
            for kind in own})
        for name, (scores, other) in unknown.items() if not other.all()}
    if not found:
        raise DeptError('All images show classes that the model was tuned on. '
                        'Name a data set with others, by --far.')
    return found


def _score_patches(base: Sequence[int], model: TunedModel, inputs: Tensor
                   ) -> Tensor:
    """Compute logits, and behind them the score of the patches among the
    base classes, ``(B, C + 1)``."""
    feats = model.module.extract_feat(inputs)
    patches = score_local_match(local_similarity(feats)[..., base],
                                model.logit_scale)
    return torch.cat([model.module.head(feats).float(), patches[:, None]], 1)
