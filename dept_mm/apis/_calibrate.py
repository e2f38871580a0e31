"""Make the probabilities of a model as high as they are right."""
from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from dept_mm.apis._find import find_model
from dept_mm.apis._samples import build_split, collect_logits, find_dataset
from dept_mm.apis.tuned_model import TunedModel
from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import SET_SCORES, keep_scores, score_labels
from dept_mm.evaluation.none_of_these import KNOWN_SCORES
from dept_mm.exchange import calibrate_adapter, publish_checkpoint
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.structures import Vocabulary

RANGE = 0.05, 20.  # of the temperature
STEPS = 60


@dataclass(frozen=True)
class Calibration:
    """A temperature, scores of validation images, and how many there are.

    Attributes:
        temperature (float): What logits are divided by.
        images (int): Number of validation images.
        accuracy (float): Share of them that is classified correctly.
        confidence (float): Mean probability of the likeliest class with this
            temperature.
        raw_confidence (float): The same with the temperature 1.
        raw_loss, loss (float): Mean negative log-likelihood, in nats, with
            the temperature 1 and with this one.
        validation_scores (dict): What ``keep_scores`` chooses of the scores
            of the true classes by which sets are found (``aps`` and ``lac``,
            with this temperature), and of the negative scores that say
            whether a class is known (``mcm``, ``max_logit``, ``energy``).
        distance_aware (bool): See ``TunedModel``.
    """
    temperature: float
    images: int
    accuracy: float
    confidence: float
    raw_confidence: float
    loss: float
    raw_loss: float
    validation_scores: dict[str, list[float]] = field(repr=False)
    distance_aware: bool = False

    @property
    def kept(self) -> dict:
        """What a model needs of it, and an adapter keeps."""
        return dict(temperature=self.temperature,
                    validation_scores=self.validation_scores,
                    distance_aware=self.distance_aware)


def calibrate(model: TunedModel, batch_size: int = 100,
              num_workers: int = 0, distance_aware: bool = False
              ) -> Calibration:
    """Fit a temperature on the validation images of a model's data set, and
    score these images.

    These are the images of the split ``val`` that belong to the few-shot draw
    of the training and to its classes. They are scored among all classes of
    the model, as images that it predicts are.

    "On Calibration of Modern Neural Networks" (Guo et al., ICML 2017).

    Args:
        model (TunedModel): The model; it stays as it is.
        batch_size (int): Images per batch. Defaults to 100.
        num_workers (int): Processes that read images. Defaults to 0.
        distance_aware (bool): Whether to scale logits by the distance of
            classes from trained ones before, DAC, which is about new classes;
            see ``compute_factors``. Defaults to False.

    Raises:
        DeptError: If the model's config has no data set with validation
            images, the model does not score its classes, or it has no texts
            whose distance could be measured.
    """
    dataset = _build_validation(model)
    logits, found = collect_logits(model, dataset, batch_size, num_workers)
    known = (getattr(model.module.backbone, 'vocabulary', None)
             or Vocabulary.from_metainfo(dataset.metainfo))
    column = {key: i for i, key in enumerate(known.ids)}
    if missing := sorted(set(found) - set(column)):
        raise DeptError(f'The model does not score {missing[:5]}, which are '
                        'classes of the validation images.')
    scaled = replace(model, distance_aware=distance_aware, temperature=1.
                     ).sharpen(logits)
    found = describe_calibration(
        logits, torch.tensor([column[key] for key in found]),
        model.logit_scale, scaled)
    return replace(found, distance_aware=distance_aware)


def keep_calibration(model: str | Path, calibration: Calibration) -> Path:
    """Write a calibration into an adapter; of a checkpoint, into a new one.

    Args:
        model (str | Path): What ``load`` was given: an adapter, a checkpoint,
            or a work dir.
        calibration (Calibration): From ``calibrate``.

    Returns:
        Path: The adapter; see ``calibrate_adapter``. That of a checkpoint is
        beside it.

    Raises:
        DeptError: If the file cannot be written, or is one of the package.
    """
    _, file = find_model(model)
    if file.suffix != SUFFIX:
        return publish_checkpoint(file, file.with_suffix(SUFFIX),
                                  calibration=calibration.kept)
    if not Path(model).exists():
        raise DeptError(f'The file of {model} belongs to the package. Copy '
                        f'it, and calibrate the copy: {file}')
    return calibrate_adapter(file, calibration.kept)


def describe_calibration(logits: Tensor, labels: Tensor, scale: float,
                         scaled: Tensor | None = None) -> Calibration:
    """Fit a temperature, measure its effect, and score the images.

    Args:
        logits (Tensor): ``(N, C)``.
        labels (Tensor): ``(N, )``.
        scale (float): What similarities were multiplied by to get logits.
        scaled (Tensor, optional): Logits that the temperature is fitted to,
            ``(N, C)``. Defaults to ``logits``.
    """
    logits, scaled = logits.double(), (
        logits if scaled is None else scaled).double()
    temperature = fit_temperature(scaled, labels)
    scaled = scaled / temperature
    scores = {kind: score_labels(scaled.softmax(1), labels, kind)
              for kind in SET_SCORES}
    scores |= {kind: -score(logits, scale)
               for kind, score in KNOWN_SCORES.items()}
    return Calibration(
        temperature, len(labels),
        (logits.argmax(1) == labels).double().mean().item(),
        scaled.softmax(1).amax(1).mean().item(),
        logits.softmax(1).amax(1).mean().item(),
        F.cross_entropy(scaled, labels).item(),
        F.cross_entropy(logits, labels).item(),
        {kind: keep_scores(found) for kind, found in scores.items()})


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature with the highest likelihood, from 0.05 to 20.

    The negative log-likelihood is convex in ``1 / temperature``. Its slope is
    the mean expected logit minus the mean logit of the labels. Bisection
    finds where it is zero. If all images are classified correctly, that is
    nowhere, and the result is the lower end of the range.

    Args:
        logits (Tensor): ``(N, C)``.
        labels (Tensor): ``(N, )``.
    """
    # A class that cannot be, with the logit -inf, would make 0 * inf.
    logits = logits.double().clamp_min(-1e4)
    given = logits.gather(1, labels[:, None]).mean()
    low, high = (1 / limit for limit in reversed(RANGE))
    for _ in range(STEPS):
        inverse = math.sqrt(low * high)
        expected = ((inverse * logits).softmax(1) * logits).sum(1).mean()
        low, high = (low, inverse) if expected > given else (inverse, high)
    return 1 / inverse


def _build_validation(model: TunedModel) -> Dataset:
    """Build the validation split of the data set that a model learned on."""
    test = (model.config.get('test_dataloader') or {}).get('dataset', {})
    remedy = ('A temperature is fitted on images that the model did not learn '
              'from, and never on test images.')
    try:
        if test.get('split') == 'val':
            raise DeptError('The config of the model tests on its validation '
                            'images. Give the config of the training.')
        return build_split(model, find_dataset(model), 'val')
    except DeptError as error:
        raise DeptError(f'{error} {remedy} docs/datasets.md shows how images '
                        "come into the split 'val'.") from error
