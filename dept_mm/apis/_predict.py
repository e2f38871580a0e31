"""Predict the classes of images."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmpretrain import ImageClassificationInferencer
from torch import nn

from dept_mm.datasets import LoadRGBImage
from dept_mm.errors import DeptError


def predict(model: nn.Module,
            images: str | Path | np.ndarray | Sequence[str | Path
                                                       | np.ndarray],
            k: int = 5, *, batch_size: int = 32) -> list[dict]:
    """Name the likeliest classes of images.

    The images are prepared as the test images of the model's config.

    Args:
        model (nn.Module): Of ``build`` or ``load``; it is put into eval mode.
        images: A path, an array ``(H, W, 3)``, uint8 and BGR as of
            ``mmcv.imread``, or several of them.
        k (int): How many classes of each image; there may be fewer.
            Defaults to 5.
        batch_size (int): Images per batch. Defaults to 32.

    Returns:
        list[dict]: Of each image the names ``classes`` and their ``scores``,
        floats, the highest first.

    Raises:
        DeptError: If an image is missing or cannot be read, or the model
            does not say how its images are prepared or what its classes are.
    """
    if k < 1:
        raise DeptError(f'predict: k is {k}; it must be at least 1.')
    if isinstance(images, (str, Path, np.ndarray)):
        images = [images]
    names = _class_names(model)
    if not hasattr(model, '_config'):
        raise DeptError('predict: the model does not know its config, which '
                        'says how images are prepared. Make it with '
                        'dept_mm.build or dept_mm.load.')
    run = ImageClassificationInferencer(model, classes=names)
    arrays = (_read(image) for image in images)
    samples = [sample for batch in run.preprocess(arrays, batch_size)
               for sample in run.forward(batch)]
    found = []
    for sample in samples:
        top = sample.pred_score.topk(min(k, len(names)))
        found.append(dict(classes=[names[i] for i in top.indices.tolist()],
                          scores=top.values.tolist()))
    return found


def _read(image: str | Path | np.ndarray) -> np.ndarray:
    """Read an image in the same way as the test images of a run."""
    if isinstance(image, np.ndarray):
        return image
    return LoadRGBImage()(dict(img_path=str(image)))['img']


def _class_names(model: nn.Module) -> Sequence[str]:
    """Return the names of the classes that the model scores, in its order."""
    for part in (getattr(model, 'backbone', None), getattr(model, 'head',
                                                           None)):
        vocabulary = getattr(part, 'vocabulary', None)
        if vocabulary is not None:
            return vocabulary.names
    names = getattr(model, '_dataset_meta', {}).get('classes')
    if not names:
        raise DeptError('predict: the model does not know the names of its '
                        'classes. Give its PromptedCLIP a vocabulary.')
    return names
