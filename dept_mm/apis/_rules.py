"""What a model answers beside the likeliest classes."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import SET_SCORES, count_members, find_limit
from dept_mm.evaluation.none_of_these import KNOWN_SCORES

if TYPE_CHECKING:
    from dept_mm.apis.tuned_model import TunedModel


@dataclass(frozen=True)
class Rules:
    """When an image shows none of the classes, or may show several.

    Attributes:
        threshold (float, optional): An image whose likeliest class has a
            lower probability shows none of the classes.
        coverage (float, optional): With which probability the set of classes
            of an image contains the true one.
        sets (str): How classes join a set, ``'aps'`` or ``'lac'``; see
            ``dept_mm/evaluation/conformal.py``.
        unknown (str, optional): By which score an image shows none of the
            classes, ``'mcm'``, ``'max_logit'`` or ``'energy'``; see
            ``dept_mm/evaluation/none_of_these.py``.
        accept (float): Share of images of known classes that this leaves.
    """
    threshold: float | None = None
    coverage: float | None = None
    sets: str = 'aps'
    unknown: str | None = None
    accept: float = .95

    def check(self, model: TunedModel) -> None:
        """Refuse options that are out of range, or that need a calibration.

        Raises:
            DeptError: Which says what to do.
        """
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise DeptError(f'predict: threshold is {self.threshold}; it is a '
                            'probability, between 0 and 1.')
        if self.coverage is not None:
            _find(model, self.sets, SET_SCORES, self.coverage)
        if self.unknown is not None:
            _find(model, self.unknown, KNOWN_SCORES, self.accept)

    def find_known(self, model: TunedModel, logits: Tensor, best: Tensor
                   ) -> list[bool]:
        """Say which images show one of the classes.

        Args:
            model (TunedModel): The model.
            logits (Tensor): ``(N, C)``.
            best (Tensor): The highest probability of each image, ``(N, )``.
        """
        known = best >= (self.threshold or 0)
        if self.unknown is not None:
            limit = _find(model, self.unknown, KNOWN_SCORES, self.accept)
            score = KNOWN_SCORES[self.unknown](logits.double(),
                                               model.logit_scale)
            known = known & (-score <= limit)
        return known.tolist()

    def count_members(self, model: TunedModel, probabilities: Tensor
                      ) -> list[int | None]:
        """Count the likeliest classes that are in the set of each image.

        Args:
            model (TunedModel): The model.
            probabilities (Tensor): ``(N, C)``, in descending order.

        Returns:
            list: None for each image if no coverage was asked for.
        """
        if self.coverage is None:
            return [None] * len(probabilities)
        limit = _find(model, self.sets, SET_SCORES, self.coverage)
        return count_members(probabilities, self.sets, limit).tolist()


def _find(model: TunedModel, kind: str, kinds: dict, share: float) -> float:
    """Find the limit of a score in what was kept of validation images.

    Raises:
        DeptError: If there is no such score, or none was kept.
    """
    if kind not in kinds:
        raise DeptError(f'predict: {kind!r} is none of {", ".join(kinds)}.')
    if kind not in model.validation_scores:
        raise DeptError(
            'The model keeps no scores of validation images, which say how '
            'sure it is: calibrate it first, with tools/predict.py MODEL '
            '--calibrate or dept_mm.apis.calibrate.')
    return find_limit(model.validation_scores[kind], share)
