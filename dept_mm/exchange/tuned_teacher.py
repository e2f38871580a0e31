"""A tuned model as the teacher of another one."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmpretrain import get_model
from mmpretrain.models import ImageClassifier
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.exchange.rebuild import load_adapter
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.clip import CLIPSpec, FrozenCLIP
from dept_mm.models.utils.kept import Kept, tensors_of
from dept_mm.registry import MODELS
from dept_mm.structures import ImageFeatures, TeacherFeatures, Vocabulary


@MODELS.register_module()
class TunedTeacher:
    """Teach a model of a smaller CLIP by a tuned one, as in PromptKD.

    "PromptKD: Unsupervised Prompt Distillation for Vision-Language Models"
    (Li et al., CVPR 2024). A plain class: what it holds is in no checkpoint
    of the student. It gives class texts, image features and logits of its
    whole model, with its neck and head: a teacher with DePT gives fused
    logits. Classes are matched by identity, so that their order does not
    matter. Images that are normalised for the student's CLIP are normalised
    for its own.

    Args:
        adapter (str, optional): The teacher's adapter.
        config (str, optional): In place of an adapter, the teacher's config.
        checkpoint (str, optional): With a config, the teacher's checkpoint;
            none for zero-shot CLIP. Without adapter and config the student
            can be tested, but not trained.
        clip (Mapping, optional): With an adapter, the CLIP, where the file
            names none that is known everywhere.
        other_classes (bool): Whether the teacher may have been tuned on a
            data set that lacks classes of the student's, for instance on
            ImageNet. Defaults to False.

    Raises:
        DeptError: If a file is missing, damaged or not trained.

    Examples:
        >>> backbone = dict(teacher=dict(
        ...     type='TunedTeacher', adapter='teacher.safetensors'))
    """
    image = True  # it looks at the images

    def __init__(self, adapter: str | None = None, config: str | None = None,
                 checkpoint: str | None = None, clip: Mapping | None = None,
                 other_classes: bool = False) -> None:
        if adapter and (config or checkpoint):
            raise DeptError('TunedTeacher: give an adapter, or a config and '
                            'a checkpoint, not both.')
        if checkpoint and not config:
            raise DeptError('TunedTeacher: give the config of the checkpoint '
                            f'{checkpoint}, too.')
        self.other_classes = other_classes
        self.name = adapter or checkpoint or config
        self.files = [file for file in (adapter, config, checkpoint) if file]
        self._texts = Kept()
        self.model = None
        # What the student starts from must not depend on its teacher.
        with torch.random.fork_rng(devices=[]):
            if adapter:
                self.take(load_adapter(adapter, clip=clip))
            elif config:
                self.take(_load_config(config, checkpoint))

    def take(self, model: ImageClassifier) -> None:
        """Teach by this model.

        Raises:
            DeptError: If it has no class texts that a student could share.
        """
        _check_model(model, self.name)
        self.model = model.eval().requires_grad_(False)
        self.known = set(model.backbone.vocabulary.ids)

    def check(self, clip: FrozenCLIP, vocabulary: Vocabulary) -> None:
        """Score the classes of the student from now on.

        Args:
            clip (FrozenCLIP): The student's.
            vocabulary (Vocabulary): The student's.

        Raises:
            DeptError: If it cannot, or was tuned on other classes.
        """
        if self.model is None:
            return
        missing = [key for key in vocabulary.ids if key not in self.known]
        if missing and not self.other_classes:
            raise DeptError(
                f'The teacher {self.name} was tuned on other classes: '
                f'{missing[:5]} are not among its {len(self.known)}. Tune '
                'it on the data set of the student, or set teacher.'
                'other_classes=True if it is meant to teach other classes.')
        self.model.backbone.set_vocabulary(vocabulary)

    @torch.no_grad()
    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 images: Tensor | ImageFeatures) -> TeacherFeatures:
        """Encode and score a batch among the base classes of the student.

        Args:
            clip (FrozenCLIP): The student's, for which images are normalised.
            vocabulary (Vocabulary): The student's.
            images (Tensor | ImageFeatures): ``(B, 3, H, W)``, or what
                :meth:`outputs` makes of them.

        Raises:
            DeptError: If there is no teacher, or the images are not for it.
        """
        if isinstance(images, ImageFeatures):
            return self._divide(clip, vocabulary, images.feature)
        self._prepare(clip, vocabulary, images.device)
        own = self.model.backbone.clip
        _check_size(own, images)
        feats = self.model.extract_feat(
            _renormalise(images, clip.spec, own.spec))
        rows = vocabulary.base_labels
        return TeacherFeatures(feats.text[rows], feats.image,
                               self.model.head(feats)[:, rows])

    def _divide(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                outputs: Tensor) -> TeacherFeatures:
        """Divide what :meth:`outputs` gave, and add the texts."""
        self._prepare(clip, vocabulary, outputs.device)
        text = self._texts.get(
            lambda: self.texts(clip, vocabulary),
            key=(vocabulary.ids, *vocabulary.base_labels),
            frozen=tensors_of(self.model))
        sizes = text.shape[1], len(text)
        if outputs.shape[1] != sum(sizes):
            raise DeptError(
                f'{outputs.shape[1]} numbers for each image are not what '
                f'{self.name} gives ({sizes[0]} and {sizes[1]} logits): give '
                'it images.')
        image, logits = outputs.split(sizes, 1)
        return TeacherFeatures(text, image.to(text.dtype), logits)

    def outputs(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                images: Tensor) -> Tensor:
        """Return what it makes of images ``(B, 3, H, W)`` alone: features
        and logits of the base classes ``(B, D + C)``.

        Raises:
            DeptError: If there is no teacher, or the images are not for it.
        """
        given = self(clip, vocabulary, images)
        return torch.cat([given.image, given.logits], 1)

    def describe_outputs(self, vocabulary: Vocabulary) -> dict:
        """Return what :meth:`outputs` depends on, in JSON types: the contents
        of its files, its CLIP and the classes.

        Raises:
            DeptError: If the teacher comes from no file.
        """
        if self.model is None or not self.files:
            raise DeptError('What a TunedTeacher gives can be stored if it '
                            'has an adapter, or a config and a checkpoint.')
        return dict(
            teacher=[_digest(file) for file in self.files],
            clip=self.model.backbone.clip.digest,
            classes=[vocabulary.ids[i] for i in vocabulary.base_labels])

    @torch.no_grad()
    def texts(self, clip: FrozenCLIP, vocabulary: Vocabulary) -> Tensor:
        """Encode the base classes ``(C, E)`` of the student alone.

        Raises:
            DeptError: If there is no teacher.
        """
        self._prepare(clip, vocabulary, clip.logit_scale.device)
        size = self.model.backbone.clip.spec.image_size
        feats = self.model.extract_feat(  # a neck needs an image
            clip.logit_scale.new_zeros(1, 3, size, size))
        return feats.text[vocabulary.base_labels]

    def _prepare(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 device: torch.device) -> None:
        """Score these classes there, if there is a teacher."""
        if self.model is None:
            raise DeptError(
                'The student has no teacher: give one with --cfg-options '
                'model.backbone.teacher.adapter=TEACHER.safetensors')
        if vocabulary != self.model.backbone.vocabulary:
            self.check(clip, vocabulary)
        if self.model.backbone.clip.logit_scale.device != device:
            self.model.to(device)


def _load_config(config: str, checkpoint: str | None) -> ImageClassifier:
    """Build the teacher of a config, with what it has learned."""
    if not Path(config).is_file():
        raise DeptError(f'TunedTeacher: there is no config {config}.')
    model = get_model(Config.fromfile(config), pretrained=checkpoint or False)
    if not checkpoint and any(p.requires_grad for p in model.parameters()):
        raise DeptError(f'TunedTeacher: the model of {config} is not trained; '
                        'give its checkpoint, too.')
    return model


def _digest(file: str) -> str:
    """Hash a file, of a config what it says with all that it inherits."""
    content = (Config.fromfile(file).pretty_text.encode()
               if file.endswith('.py') else Path(file).read_bytes())
    return hashlib.sha256(content).hexdigest()


def _check_model(model: ImageClassifier, name: str) -> None:
    """Refuse a model that has no class texts for images of a student."""
    backbone, reason = model.backbone, None
    if not isinstance(backbone, PromptedCLIP) or backbone.vocabulary is None:
        reason = 'it has no class texts'
    elif backbone.prompt is not None and backbone.prompt.per_image:
        reason = (f'class texts of {type(backbone.prompt).__name__} depend '
                  'on the image, so a student cannot share them')
    elif not isinstance(model.head, CLIPHead):
        reason = (f'{type(model.head).__name__} scores no classes but those '
                  'it was trained on')
    if reason:
        raise DeptError(f'{name} cannot be a teacher: {reason}. Choose a '
                        'model with CLIPHead or DePTHead and prompts that '
                        'all images share, such as PromptSRC.')


def _check_size(clip: FrozenCLIP, images: Tensor) -> None:
    """Refuse images of another size than the teacher's CLIP takes."""
    size, found = clip.spec.image_size, tuple(images.shape[-2:])
    if clip.image_tower.fixed_size and found != (size, size):
        raise DeptError(
            f'The CLIP of the teacher, {clip.name!r}, takes images of {size} '
            f'x {size} pixels, not {found[0]} x {found[1]}: give it a view of '
            'its own by TeacherView and PackViews in the training pipeline.')


def _renormalise(images: Tensor, given: CLIPSpec, wanted: CLIPSpec
                 ) -> Tensor:
    """Normalise images ``(B, 3, H, W)`` for another CLIP."""
    if (given.mean, given.std) == (wanted.mean, wanted.std):
        return images
    mean, std, new_mean, new_std = (
        images.new_tensor(t)[:, None, None]
        for t in (given.mean, given.std, wanted.mean, wanted.std))
    return (images * std + mean - new_mean) / new_std
