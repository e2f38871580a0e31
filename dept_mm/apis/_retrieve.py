"""Find images by sentences, and sentences by images."""
from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.apis.tuned_model import TunedModel
from dept_mm.errors import DeptError
from dept_mm.models.class_texts.sentences import AT_ONCE
from dept_mm.structures import Vocabulary


class Captions(NamedTuple):
    """Images and the sentences that describe them.

    Attributes:
        paths (list[str]): ``N`` image files.
        texts (list[str]): ``M`` sentences.
        image (list[int]): Which image each sentence describes, ``M``.
    """
    paths: list[str]
    texts: list[str]
    image: list[int]


def read_captions(file: str | Path, images: str | Path | None = None,
                  split: str = 'test') -> Captions:
    """Read a list of images with sentences.

    Args:
        file (str | Path): A csv file with the columns ``path`` and
            ``caption``, a row for each sentence; or a JSON file in the form of
            Karpathy's splits of COCO and Flickr30k.
        images (str | Path, optional): The folder of the images. Defaults to
            that of the file.
        split (str): Which images of a JSON file. Defaults to ``'test'``.

    Raises:
        DeptError: If the file is missing, has another form, or lists nothing.
    """
    file = Path(file)
    root = Path(images or file.parent)
    try:
        text = file.read_text(encoding='utf-8-sig')
        if file.suffix == '.json':
            pairs = [(Path(entry.get('filepath', ''), entry['filename']),
                      sentence['raw'])
                     for entry in json.loads(text)['images']
                     if entry.get('split', split) == split
                     for sentence in entry['sentences']]
        else:
            pairs = [(row['path'], row['caption'])
                     for row in csv.DictReader(text.splitlines())]
    except OSError as error:
        raise DeptError(f'Captions cannot be read: {error}.') from error
    except (KeyError, TypeError, ValueError) as error:
        raise DeptError(
            f'{file}: neither a csv file with the columns path and caption, '
            "nor JSON with 'images', each of which has a 'filename' and "
            f"'sentences' with 'raw' ({type(error).__name__}: {error})."
        ) from error
    if not pairs:
        raise DeptError(f'{file} lists no captions of split {split!r}.')
    number = {path: i for i, path in enumerate(dict.fromkeys(
        str(root / path) for path, _ in pairs))}
    return Captions(list(number), [text.strip() for _, text in pairs],
                    [number[str(root / path)] for path, _ in pairs])


@torch.inference_mode()
def encode_sentences(model: TunedModel, texts: Sequence[str]) -> Tensor:
    """Encode free sentences as the model encodes class names.

    A learned context stands before the sentence, as it does before a name; a
    full stop follows it.

    Returns:
        Tensor: Normalised ``(M, D)``, on the CPU.

    Raises:
        DeptError: If the model has no text tower, its texts depend on the
            image, its learner knows trained classes alone, or a sentence is
            too long.
    """
    module = deepcopy(model.module)  # the CLIP in it is not copied
    backbone = module.backbone
    if getattr(backbone, 'vocabulary', None) is None:
        raise DeptError('The model has no text tower; it cannot compare '
                        'images with sentences.')
    names = [text.strip().rstrip('.') for text in texts]
    unique = list(dict.fromkeys(names))
    backbone.texts.chunk = AT_ONCE
    backbone.set_vocabulary(Vocabulary(unique, templates=('{}.', )))
    size, scale = backbone.clip.spec.image_size, backbone.clip.logit_scale
    feats = module.extract_feat(torch.zeros(1, 3, size, size,
                                            device=scale.device))
    if feats.per_image:
        raise DeptError(f'{type(backbone.prompt).__name__} makes texts of its '
                        'own for each image, so sentences have no features '
                        'that can be compared with all images.')
    rows = {name: i for i, name in enumerate(unique)}
    found = F.normalize(feats.text.float(), dim=-1).cpu()
    return found[[rows[name] for name in names]]


def measure_retrieval(model: TunedModel, captions: Captions,
                      k: Sequence[int] = (1, 5, 10), batch_size: int = 32
                      ) -> dict[str, dict[int, float]]:
    """Measure how often the right answer is among the first ``k``.

    Returns:
        dict: ``'image to text'`` and ``'text to image'``, each a dict from
        ``k`` to the recall in %: the share of images with one of their
        sentences, and of sentences with their image, among the first ``k``.

    Raises:
        DeptError: See :func:`encode_sentences`; or an image cannot be read.
    """
    texts = encode_sentences(model, captions.texts)
    images = F.normalize(model.image_features(captions.paths, batch_size),
                         dim=-1)
    scores, image = images @ texts.T, torch.tensor(captions.image)
    relevant = image == torch.arange(len(images))[:, None]
    return {'image to text': compute_recall(scores, relevant, k),
            'text to image': compute_recall(scores.T, relevant.T, k)}


def compute_recall(scores: Tensor, relevant: Tensor, k: Sequence[int]
                   ) -> dict[int, float]:
    """Compute the share of queries with a relevant answer among the first.

    An irrelevant answer with an equal score stands before a relevant one.

    Args:
        scores (Tensor): ``(Q, A)``, of queries and answers.
        relevant (Tensor): ``(Q, A)`` bool; each query has an answer.
        k (Sequence[int]): Numbers of answers.

    Returns:
        dict[int, float]: ``k`` -> recall in %.
    """
    best = scores.masked_fill(~relevant, -torch.inf).amax(1, keepdim=True)
    rank = ((scores >= best) & ~relevant).sum(1)
    return {n: 100 * (rank < n).double().mean().item() for n in k}
