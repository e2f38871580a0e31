"""A CLIP of which only some outputs are at hand."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.spec import CLIPSpec
from dept_mm.registry import DATASETS, MODELS


@dataclass(frozen=True, eq=False)
class ClassRows:
    """Stand for tokenised sentences: rows of known text features.

    Attributes:
        rows (Tensor): ``(C, )``.
    """
    rows: Tensor

    def map(self, fn: Callable[[Tensor], Tensor]) -> ClassRows:
        """Apply a function to each tensor."""
        return ClassRows(fn(self.rows))


@MODELS.register_module(name='features')
class FeatureCLIP(nn.Module):
    """Know text features of class names, and have no towers.

    It takes the place of a ``FrozenCLIP`` for models whose images are
    ``ImageFeatures``. What needs a tower is refused with a message: prompt
    learners, sentences, images.

    Args:
        text (Mapping, optional): Config of a data set of features, which
            knows the width and, maybe, text features; or class name ->
            feature ``(D, )``. Defaults to no texts: models then have no
            vocabulary, such as a linear probe.
        width (int, optional): ``D``, where ``text`` does not say it.
        logit_scale (float, optional): The exponentiated scale of the CLIP.
            Defaults to what a file of ``tools/extract_features.py`` says,
            else to 100, that of nearly all.
        name (str): What messages and results call the CLIP.

    Raises:
        DeptError: If the width is unknown or differs, or the data set is of
            another kind.

    Examples:
        >>> clip = dict(type='features', text=_base_.dataset)
    """
    precision = 'fp32'
    learned_dtype = torch.float32

    def __init__(self, text: Mapping | None = None, width: int | None = None,
                 logit_scale: float | None = None,
                 name: str = 'features') -> None:
        super().__init__()
        names, found, own, self.origin, scale = read_texts(text or {})
        if own is None and width is None or own not in (None, width or own):
            raise DeptError(f"clip=dict(type='features', width={width}): the "
                            f'features given are {own} wide.')
        self.name = name
        self.names = tuple(map(plain, names))
        self.spec = CLIPSpec(own or width, image_size=1, mean=(0., ) * 3,
                             std=(1., ) * 3, interpolation='bicubic')
        self.text = nn.Parameter(found, requires_grad=False)
        self.register_buffer('logit_scale', torch.tensor(
            float(logit_scale or scale or 100)))

    @classmethod
    def read_spec(cls, **options) -> CLIPSpec:
        """Look up the sizes of such a CLIP by its options."""
        return cls(**options).spec

    def __deepcopy__(self, memo: dict) -> FeatureCLIP:
        return self  # as a FrozenCLIP

    @property
    def text_weights(self) -> list[Tensor]:
        """What text features depend on."""
        return [self.text]

    @property
    def identity(self) -> dict:
        """What a checkpoint must know about this CLIP, in JSON types: that
        of the CLIP which the features are of, if their file says it."""
        return self.origin or dict(
            name=self.name, sha256='',
            preprocessing=dict(embed_dim=self.spec.embed_dim))

    @property
    def digest(self) -> str:
        """Sha256 of the weights of the CLIP, '' if it is unknown."""
        return self.identity['sha256']

    def tokenize(self, names: Sequence[str], template: str,
                 num_context: int = 0) -> ClassRows:
        """Find the rows of class names, whatever the template.

        Raises:
            DeptError: If there are no features of a name.
        """
        names = tuple(map(plain, names))
        row = {name: i for i, name in enumerate(self.names)}
        missing = [name for name in names if name not in row]
        if missing:
            raise DeptError(
                f'{self.name}: there are no text features of {len(missing)} '
                f'of {len(names)} class names, such as {missing[:5]}. Give '
                'them (FeatureDataset(text=...)), or choose a head that needs '
                'none: LinearProbeHead, with a backbone without vocabulary.')
        # By position where it is the same list: names may occur twice.
        rows = (range(len(names)) if names == self.names
                else [row[name] for name in names])
        return ClassRows(torch.tensor(list(rows), device=self.text.device))

    def encode_text(self, tokens: ClassRows, *_) -> Tensor:
        """Return the features ``(C, D)`` of rows."""
        return self.text[tokens.rows]

    def _refuse(self, *_) -> NoReturn:
        raise DeptError(
            "clip=dict(type='features') has no towers, which prompts, "
            'sentences and images need. Train a neck, head or probe, or give '
            'the CLIP that the features are of: --clip vit-base-p16. Its text '
            'tower works beside image features.')

    encode_image = tokenize_sentences = embed_words = _refuse
    text_tower = property(_refuse)
    image_tower = property(_refuse)


def read_texts(source: Mapping) -> tuple[Sequence[str], Tensor, int | None,
                                         dict | None, float | None]:
    """Read text features from a data set of features, or from a mapping.

    Returns:
        tuple: Class names, their features ``(C, D)``, the width ``D``,
        identity and scale of the CLIP, None where they are unknown.
    """
    if 'type' not in source:
        rows = [torch.as_tensor(row).float() for row in source.values()]
        found = torch.stack(rows) if rows else torch.empty(0, 0)
        return tuple(source), found, found.shape[1] or None, None, None
    dataset = DATASETS.build(dict(source, pipeline=[], lazy_init=True))
    if not hasattr(dataset, 'text_features'):
        raise DeptError(f"clip=dict(type='features'): {source['type']} holds "
                        'no features; use --dataset with a FeatureDataset.')
    found = dataset.text_features()
    names = () if found is None else dataset.vocabulary.names
    return (names, torch.empty(0, dataset.width) if found is None else found,
            dataset.width, dataset.origin, dataset.logit_scale)


def plain(name: str) -> str:
    """Spell a class name with spaces, as in a sentence."""
    return name.replace('_', ' ')
