"""The image side of a tuned model, as one graph."""
from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.export.text_graph import plain_texts
from dept_mm.models import CLIPHead


class ImageGraph(nn.Module):
    """Compute the scores of images; texts of classes are constants.

    Where prompts of the text tower depend on the image, as in CoCoOp, the
    text tower with all classes is part of the graph.

    Args:
        model (TunedModel): It stays as it is, and shares its frozen CLIP.
        open_vocabulary (bool): Whether to return what is needed to score
            further classes, too. Defaults to False.

    Attributes:
        inputs, outputs (tuple[str]): Names of what ``forward`` takes and
            returns.
        axes (dict[str, dict[int, str]]): Axes of both that are of any length.
        part (str): What runs at the moment; for messages.

    Raises:
        DeptError: If the model has no head, its CLIP is not in fp32, or it
            cannot score further classes.
    """
    inputs = ('pixels', )

    def __init__(self, model: TunedModel, open_vocabulary: bool = False
                 ) -> None:
        super().__init__()
        if not model.module.with_head:
            raise DeptError('The model has no head: there are no scores to '
                            'export.')
        if model.distance_aware:
            raise DeptError('Distance-aware calibration cannot be exported: '
                            'calibrate without it.')
        self.module = deepcopy(model.module).eval().requires_grad_(False)
        self.temperature = model.temperature
        self.open_vocabulary = open_vocabulary
        self.part = 'The model'
        self.outputs = ('logits', 'probabilities') + (
            'similarities', 'image_features') * open_vocabulary
        self.axes = {name: {0: 'batch'}
                     for name in (*self.inputs, *self.outputs)}
        backbone = self.module.backbone
        clip = backbone.clip
        # The CLIP is no submodule of the backbone; only towers that run here.
        self.visual = clip.model.visual
        if clip.precision != 'fp32':
            raise DeptError(f'CLIP {clip.name!r} is in {clip.precision}; '
                            "export needs clip.precision='fp32' in the "
                            'config, or a CPU without it.')
        if open_vocabulary:
            _check_open(self.module)
        if text_depends_on_image(backbone):
            self.text = clip.model.text
        elif backbone.vocabulary is not None:
            self._fix_texts(backbone)
        self.eval()  # exporters put it back into the mode that it had

    @torch.no_grad()
    def _fix_texts(self, backbone: nn.Module) -> None:
        """Compute the classifier once; it becomes a matrix of the graph."""
        texts = backbone.texts
        labels = tuple(range(len(backbone.vocabulary)))
        texts.features = lambda *_: self.classifier
        self.register_buffer('classifier', type(texts).features(
            texts, labels, None, False).detach().clone())

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs for normalised images ``(B, 3, H, W)``.

        Returns:
            tuple[Tensor, ...]: ``logits (B, C)`` as of ``TunedModel.logits``,
            ``probabilities (B, C)`` after the temperature; for an open
            vocabulary also ``similarities (B, C)``, which are the logits
            without a second head, and normalised ``image_features (B, D)``.
        """
        model = self.module
        self.part = f'The image tower of CLIP {model.backbone.clip.name!r}'
        if model.backbone.prompt is not None:
            self.part += f' with {type(model.backbone.prompt).__name__}'
        with plain_texts(model.backbone.clip):
            feats = model.backbone(pixels)
        if model.with_neck:
            self.part = type(model.neck).__name__
            feats = model.neck(feats)
        self.part = type(model.head).__name__
        logits = model.head(feats)
        self.part = 'The model'
        found = logits, (logits / self.temperature).softmax(1)
        if not self.open_vocabulary:
            return found
        image = nn.functional.normalize(feats.image.float(), dim=-1)
        return *found, CLIPHead.forward(model.head, feats), image


def text_depends_on_image(backbone: nn.Module) -> bool:
    """Tell whether each image has texts of its own."""
    return backbone.prompt is not None and backbone.prompt.per_image


def _check_open(module: nn.Module) -> None:
    """Refuse a model that cannot score a class that it was not given.

    Raises:
        DeptError: It names the part.
    """
    backbone, head = module.backbone, module.head
    reason = None
    if backbone.vocabulary is None:
        reason = 'The model has no text tower'
    elif not isinstance(head, CLIPHead):
        reason = f'{type(head).__name__} scores the classes of its rows alone'
    elif backbone.texts.sentences is not None:
        reason = ('The classes have sentences of their own (sentences=...), '
                  'which a new name has not')
    elif getattr(module.neck, 'replaces_texts', False):
        reason = (f'{type(module.neck).__name__} holds the texts of the '
                  'classes that it was trained on, and a new name has none')
    elif text_depends_on_image(backbone):
        reason = (f'The texts of {type(backbone.prompt).__name__} depend on '
                  'the image, so a new name has no text of its own')
    if reason:
        raise DeptError(f'{reason}: export it without --open-vocabulary. The '
                        'browser page needs a model that can be exported '
                        'with it.')
