"""The backbone of every model here: a frozen CLIP with a prompt learner."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from mmengine.model import BaseModule
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.class_texts.classifier import TextClassifier
from dept_mm.models.class_texts.sentences import ClassSentences
from dept_mm.models.class_texts.teacher import build_teacher, share_blocks
from dept_mm.models.class_texts.tpt import TPT
from dept_mm.models.clip import FeatureCLIP, FrozenCLIP, build_clip
from dept_mm.models.prompts import BasePrompt, TokenStates, check_kind
from dept_mm.models.utils.header import HeaderMixin
from dept_mm.registry import MODELS
from dept_mm.structures import (
    AugmentedViews,
    CLIPFeatures,
    ImageFeatures,
    LowerStates,
    Prompts,
    Views,
    Vocabulary,
)


@MODELS.register_module()
class PromptedCLIP(HeaderMixin, BaseModule):
    """Encode images and class names by a frozen CLIP with learned prompts.

    In training it encodes the base classes of its vocabulary, in evaluation
    all of them. The CLIP is held outside the module tree: only what is
    learned is in ``parameters()`` and in checkpoints.

    Args:
        clip (Mapping | FrozenCLIP | FeatureCLIP): Which CLIP; see
            ``build_clip``.
        vocabulary (Mapping | Sequence[str] | Vocabulary, optional): The
            classes, usually the config of the data set; see
            ``Vocabulary.resolve``. None runs the image tower alone, e.g. for
            a linear probe.
        prompt (Mapping, optional): The prompt learner. None is zero-shot
            CLIP with hand-written templates.
        templates (str | Sequence[str], optional): Templates of the zero-shot
            classifier; several make an ensemble, the normalised mean of
            normalised features. None, or None among several, is the
            vocabulary's. Defaults to None.
        teacher (Mapping, optional): Options of a ``Teacher``: features of
            the CLIP without prompts, which loss terms compare with in
            training; or the config of a ``TunedTeacher``. Defaults to none.
        sentences (Mapping | str, optional): Sentences of each class in place
            of the vocabulary's template, or beside ``templates``, for the
            zero-shot classifier: the normalised mean of their normalised
            features; see ``ClassSentences``. A learner that reads features
            of hand-written sentences (TCP) reads those of these. Defaults to
            none.
        class_chunk (int, optional): Encode at most so many classes at once
            and recompute them in the backward pass, where memory is short.
            Defaults to all.
        tpt (Mapping, optional): Options of ``TPT``, which tunes the prompts
            on views of each test image. Defaults to none.
        local (bool): Whether ``CLIPFeatures.extra['local']`` has features of
            patches, ``(B, P, D)``. Defaults to False.

    Attributes:
        share_classes (bool): Whether all processes take part in each training
            step, so that each may encode a share of the classes; see
            ``ShareClassesHook``.

    Raises:
        DeptError: If CLIP, vocabulary and learner do not fit together.

    Examples:
        >>> backbone = dict(
        ...     type='PromptedCLIP', clip=_base_.clip,
        ...     vocabulary=_base_.vocabulary,
        ...     prompt=dict(type='CoOpPrompt', num_tokens=16))
    """
    share_classes = False

    def __init__(self, clip: Mapping | FrozenCLIP | FeatureCLIP,
                 vocabulary: Mapping | Sequence[str] | Vocabulary = None,
                 prompt: Mapping | None = None,
                 templates: str | Sequence[str | None] | None = None,
                 teacher: Mapping | None = None,
                 class_chunk: int | None = None,
                 sentences: Mapping | str | None = None,
                 tpt: Mapping | None = None, local: bool = False) -> None:
        super().__init__()
        # nn.Module would register it; see the class's docstring.
        object.__setattr__(self, 'clip', build_clip(clip))
        if prompt is not None and vocabulary is None:
            raise DeptError('PromptedCLIP: a prompt learner needs a '
                            'vocabulary, e.g. vocabulary=_base_.dataset.')
        self.prompt, self.local = None, local
        self.teacher = None if teacher is None else build_teacher(teacher)
        if vocabulary is not None:
            vocabulary = Vocabulary.resolve(vocabulary)
        if prompt is not None:
            check_kind('PromptedCLIP(prompt=...)', prompt, BasePrompt)
            self.prompt = MODELS.build(
                dict(prompt, clip=self.clip, vocabulary=vocabulary))
            if sentences is not None and not self.prompt.needs_frozen_text:
                raise DeptError(f"PromptedCLIP: {prompt['type']} reads no "
                                "'sentences', which are for the zero-shot "
                                'classifier and for teachers.')
        self.tpt = tpt if tpt is None else TPT(**tpt).check(self.prompt)
        self.texts = TextClassifier(
            self.clip, self.prompt, templates,
            None if sentences is None else ClassSentences(sentences),
            class_chunk)
        if vocabulary is not None:
            self.set_vocabulary(vocabulary)
            if self.teacher is not None:
                self.teacher.check(self.clip, vocabulary)
        self.init_header()

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The classes that are scored; None runs the image tower alone."""
        return self.texts.vocabulary

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Score these classes from now on.

        Args:
            vocabulary (Vocabulary): Labels of samples index it.

        Raises:
            DeptError: If a class name is too long for the text tower, or
                its sentences are missing or too long.
        """
        self.texts.set_vocabulary(vocabulary)

    def forward(self, images: Tensor | ImageFeatures | LowerStates | Views
                | AugmentedViews) -> CLIPFeatures:
        """Encode images and the classes they are scored among.

        Args:
            images (Tensor | ImageFeatures | LowerStates | Views |
                AugmentedViews): ``(B, 3, H, W)``, normalised; or what is
                stored of them; or images and the views that the teacher sees
                or prompts are tuned on.
        """
        given = images
        images, view = given if isinstance(
            given, (Views, AugmentedViews)) else (given, given)
        visual = self.prompt.for_image() if self.prompt else Prompts()
        if self.training and view is images:
            images = view = share_blocks(self.clip, visual, self.teacher,
                                         images)
        states = TokenStates([], [])
        image, extra = self._image(images, visual, states.image)
        text = labels = ids = teacher = None
        if self.vocabulary is not None:
            ids = self.vocabulary.ids
            chosen = self.texts.choose(self.training, image)
            labels = torch.tensor(chosen, device=image.device)
            encode = partial(self.text_features, image, states.text, chosen)
            text = (encode() if self.tpt is None or self.training else
                    self.tpt(self.clip, self.prompt, encode, image, given))
            if self.teacher is not None and self.training:
                teacher = self.teacher(self.clip, self.vocabulary, view)
                teacher = teacher.among(chosen, self.vocabulary.base_labels)
        feats = CLIPFeatures(text, labels, ids, self.clip.logit_scale,
                             teacher, None, extra, image)
        if self.prompt is None:
            return feats
        return self.prompt.change_features(feats, states, self.clip)

    def zero_shot(self) -> PromptedCLIP:
        """Return a model with this CLIP and vocabulary, but without prompts.
        """
        return PromptedCLIP(self.clip, self.vocabulary)

    def _apply(self, fn: Callable, recurse: bool = True) -> PromptedCLIP:
        # The CLIP is no submodule, but follows to the device.
        self.clip._apply(fn, recurse)
        self.texts.move(fn)
        return super()._apply(fn, recurse)

    def _image(self, images: Tensor | ImageFeatures | LowerStates,
               visual: Prompts, states: list[Tensor]
               ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Encode images to ``(B, D)``, or return their stored features; and
        features of patches."""
        if not isinstance(images, ImageFeatures):
            if not self.local:
                return self.clip.encode_image(images, visual, states), None
            x, local = self.clip.encode_patches(images, visual, states)
            return x, dict(local=local)
        if self.local or not visual.empty:
            who = 'local=True' if self.local else type(self.prompt).__name__
            raise DeptError(f'{who} prompts or reads the image tower: give '
                            'it images, no stored features.')
        found, own = images.feature.shape[-1], self.clip.spec.embed_dim
        if found != own:
            raise DeptError(f'The image features are {found} wide, those of '
                            f'CLIP {self.clip.name!r} {own}.')
        return images.feature, None

    def text_features(self, image: Tensor,
                      states: list[Tensor] | None = None,
                      labels: list[int] | None = None) -> Tensor:
        """Encode the classes that are scored.

        Args:
            image (Tensor): ``(B, D)`` image features.
            states (list[Tensor], optional): Hidden states that the learner
                reads are put into it.
            labels (list[int], optional): The classes. Defaults to all that
                the current mode scores.

        Returns:
            Tensor: ``(C, D)`` or ``(B, C, D)``.
        """
        # Not in evaluation: processes may differ in the batches they have.
        share = (self.share_classes and torch.is_grad_enabled()
                 and self.training)
        labels = labels or self.texts.choose(self.training)
        text = self.texts.features(tuple(labels), image, share)
        size = self.clip.spec.embed_dim
        if text.shape[-1] > size and states is not None:
            states += text[..., size:].split(self.clip.text_tower.width, -1)
        return text[..., :size] if text.shape[-1] > size else text

    def header(self) -> dict:
        """Describe the classes, the learner and the CLIP it was trained on."""
        return dict(
            vocabulary=self.vocabulary and self.vocabulary.to_dict(),
            clip=self.clip.identity,
            prompt=type(self.prompt).__name__,
            settings=self.prompt.settings if self.prompt else {})

    def check_header(self, found: dict, state: dict, prefix: str) -> None:
        """Refuse a checkpoint of another learner or another CLIP."""
        own = self.header()
        for key in ('prompt', 'settings'):
            if found[key] != own[key]:
                raise DeptError(
                    f'The checkpoint holds a {found["prompt"]} with '
                    f'{found["settings"]}, the model has a {own["prompt"]} '
                    f'with {own["settings"]}. Build it from the config, and '
                    'for the data set, that the checkpoint was made with.')
        if dict(found['clip'], name='') != dict(own['clip'], name=''):
            raise DeptError(
                f'The checkpoint was trained on CLIP {found["clip"]}, the '
                f'model has {own["clip"]}: prompts of one CLIP mean nothing '
                'to another. Set clip.name and clip.pretrained to the first.')
