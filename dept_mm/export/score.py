"""Compare exported files with PyTorch on the test images of a model."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.export.run import TOLERANCE, Run
from dept_mm.registry import DATASETS

AT_ONCE = 64  # images


@dataclass
class Score:
    """How a file does on the test set.

    Attributes:
        right (int): Images whose likeliest class is the true one.
        same (int): Images whose likeliest class is that of PyTorch; where
            PyTorch has several, any of them.
        largest (float): Largest difference of a probability from PyTorch's.
    """
    right: int = 0
    same: int = 0
    largest: float = 0.


def score_files(model: TunedModel, files: Mapping[str, Run], raw: bool
                ) -> tuple[int, dict[str, Score]]:
    """Score files on the test images of the model's config.

    Args:
        model (TunedModel): Its classes are all scored at once.
        files (Mapping[str, Run]): Name -> opened file.
        raw (bool): Whether they prepare images themselves.

    Returns:
        tuple[int, dict[str, Score]]: The number of images, and the score of
        ``'PyTorch'`` and of each file.

    Raises:
        DeptError: If the config has no test images of the model's classes.
    """
    count, scores = 0, {name: Score() for name in ('PyTorch', *files)}
    for images, labels in _read(model):
        count += len(images)
        pixels = model.pixels(images)
        with torch.no_grad():
            logits = model.logits(pixels)
        expected = (logits / model.temperature).softmax(1).numpy()
        found = {}
        for name, run in files.items():
            found[name] = np.concatenate([
                run(np.ascontiguousarray(x[None, ..., ::-1]))['probabilities']
                for x in images]) if raw else run(pixels.numpy())[
                    'probabilities']
        add_scores(scores, logits.numpy(), expected, found, labels)
    return count, scores


def add_scores(scores: Mapping[str, Score], logits: np.ndarray,
               expected: np.ndarray, found: Mapping[str, np.ndarray],
               labels: Sequence[int]) -> None:
    """Add a batch to the scores.

    Args:
        scores (Mapping[str, Score]): Of ``'PyTorch'`` and of each file.
        logits (np.ndarray): ``(B, C)``, of PyTorch.
        expected (np.ndarray): Probabilities of PyTorch.
        found (Mapping[str, np.ndarray]): Those of each file.
        labels (Sequence[int]): The true classes.
    """
    least = logits.max(1) - TOLERANCE * max(
        1, np.abs(logits[np.isfinite(logits)]).max())
    for name, score in scores.items():
        these = found.get(name, expected)
        top, rows = these.argmax(1), np.arange(len(these))
        score.right += int((top == labels).sum())
        score.same += int((logits[rows, top] >= least).sum())
        score.largest = max(score.largest,
                            float(np.abs(these - expected).max()))


def _read(model: TunedModel
          ) -> Iterator[tuple[list[np.ndarray], Sequence[int]]]:
    """Yield test images ``(H, W, 3)``, BGR, and their labels in parts."""
    config = (model.config.get('test_dataloader') or {}).get('dataset', {})
    if 'type' not in config:
        raise DeptError(
            'There are no test images: the model comes from an adapter, '
            'which knows no data set. Give the work dir of the run or its '
            'checkpoint.')
    dataset = DATASETS.build(dict(config, pipeline=[
        dict(type='LoadRGBImage')]))
    if tuple(dataset.metainfo['classes']) != model.classes:
        raise DeptError('The test images of the config are of other classes '
                        'than those of the model.')
    for start in range(0, len(dataset), AT_ONCE):
        part = [dataset[i] for i in
                range(start, min(start + AT_ONCE, len(dataset)))]
        yield [x['img'] for x in part], np.array(
            [int(np.asarray(x['gt_label']).item()) for x in part])
