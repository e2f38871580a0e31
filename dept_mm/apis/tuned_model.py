"""A trained model, as a script uses it."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier, MultiLabelClsHead
from torch import Tensor

from dept_mm.apis._batches import Batch, Images, Unreadable, make_loader
from dept_mm.apis._distance import encode_texts
from dept_mm.apis._rules import Rules
from dept_mm.apis._run import compute_each
from dept_mm.apis.prediction import Prediction, predict_each
from dept_mm.apis.sources import find_images
from dept_mm.errors import DeptError
from dept_mm.evaluation.distance_aware import compute_factors


@dataclass(frozen=True, eq=False)
class TunedModel:
    """A trained classifier with what is needed to use it.

    All methods take images in any of these forms, or a list of them:

    * the path of an image or of a folder, which is searched with all folders
      below it, a pattern such as ``'photos/*.jpg'``, or the path of a csv
      file with a column ``path``;
    * a PIL image;
    * an array ``(H, W, 3)``, uint8, with channels in the order BGR, as of
      ``cv2.imread`` and as for MMPretrain's ``ImageClassificationInferencer``;
    * a tensor ``(3, H, W)`` or ``(N, 3, H, W)`` with channels in the order
      RGB, as in torchvision: uint8, or floats between 0 and 1.

    They are prepared as the test images of the model's config.

    Attributes:
        module (ImageClassifier): MMPretrain's model, in eval mode.
            ``ImageClassificationInferencer`` accepts it.
        config (Config): Its config; ``test_dataloader.dataset.pipeline``
            prepares images.
        temperature (float): Logits are divided by it before the softmax; 1
            if the model is not calibrated.
        validation_scores (Mapping): Scores of validation images, by which
            sets of classes and "none of these" are found; empty if the model
            is not calibrated. See ``Calibration``.
        distance_aware (bool): Whether the model is less sure of classes whose
            texts tuning has moved away from the trained classes, and more
            sure of those that it has moved towards them.
        trained (TunedModel, optional): The model with the classes that it was
            trained on, if this one has others.
    """
    module: ImageClassifier = field(repr=False)  # pages long
    config: Config = field(repr=False)
    temperature: float = 1.
    validation_scores: Mapping[str, Sequence[float]] = field(
        default_factory=dict, repr=False)
    distance_aware: bool = False
    trained: TunedModel | None = field(default=None, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the scores.

        Raises:
            DeptError: If the model does not know them.
        """
        for part in (self.module.backbone, self.module.head):
            if (known := getattr(part, 'vocabulary', None)) is not None:
                return known.names
        names = getattr(self.module, '_dataset_meta', {}).get('classes')
        if not names:
            raise DeptError('The model does not know the names of its '
                            'classes. Give its PromptedCLIP a vocabulary.')
        return tuple(names)

    @property
    def logit_scale(self) -> float:
        """What CLIP multiplies similarities by; 1 if there is no CLIP."""
        clip = getattr(self.module.backbone, 'clip', None)
        return float(getattr(clip, 'logit_scale', 1.))

    @cached_property
    def factors(self) -> Tensor:
        """What ``distance_aware`` multiplies the logits of an image by that
        is taken for each class, ``(C, )``.

        Raises:
            DeptError: If the model has no class texts, or other ones for each
                image.
        """
        trained = (self.trained or self).module
        return compute_factors(*encode_texts(self.module),
                               *encode_texts(trained, base=True))

    def predict(self, images: Images, k: int = 5,
                threshold: float | None = None, batch_size: int = 32, *,
                coverage: float | None = None, sets: str = 'aps',
                unknown: str | None = None, accept: float = .95,
                allow_urls: bool = False) -> list[Prediction]:
        """Name the likeliest classes of images.

        Args:
            images: See the class.
            k (int): How many classes of each image; there may be fewer.
                Defaults to 5.
            threshold (float, optional): An image whose likeliest class has a
                lower probability shows none of the classes. Defaults to none.
            batch_size (int): Images per batch. Defaults to 32.
            coverage (float, optional): With which probability the set of
                classes of an image contains the true one. That holds for
                images like the validation images, which are of trained
                classes, and not for names that were added. Defaults to none,
                and no sets.
            sets (str): ``'aps'``, or ``'lac'`` for sets that are smaller on
                average, but not more honest about hard images.
            unknown (str, optional): By which score an image shows none of
                the classes: ``'mcm'``, ``'max_logit'`` or ``'energy'``.
                Defaults to none.
            accept (float): Share of images of trained classes that
                ``unknown`` leaves. Defaults to 0.95.
            allow_urls (bool): Whether images may be addresses, ``http://``
                or ``https://``, which are downloaded. Defaults to False.

        Raises:
            DeptError: If an option is out of range or needs a calibrated
                model, an image is missing or cannot be read, or the model has
                no classifier.
        """
        rules = Rules(threshold, coverage, sets, unknown, accept)
        found = list(predict_each(self, images, k, rules, batch_size,
                                  allow_urls=allow_urls))
        _refuse([x for x in found if isinstance(x, Unreadable)])
        return found

    def probabilities(self, images: Images, batch_size: int = 32) -> Tensor:
        """Compute the probabilities ``(N, C)`` of all classes, fp32 on the
        CPU."""
        return self._map(self.score, images, batch_size)

    def image_features(self, images: Images, batch_size: int = 32) -> Tensor:
        """Compute what the head is given of each image: features ``(N, D)``,
        not normalised, fp32 on the CPU."""
        return self._map(lambda x: self.module.extract_feat(x)[-1], images,
                         batch_size)

    def prepare(self, data: dict) -> Tensor:
        """Normalise a batch of packed samples to ``(B, 3, H, W)``, on the
        device of the model."""
        return self.module.data_preprocessor(data)['inputs']

    def pixels(self, images: Images, batch_size: int = 32) -> Tensor:
        """Prepare images as :meth:`logits` wants them, ``(N, 3, H, W)``, on
        the CPU."""
        return self._map(lambda x: x, images, batch_size)

    def score(self, inputs: Tensor) -> Tensor:
        """Compute the probabilities ``(B, C)`` of prepared images."""
        return self.sharpen(self.logits(inputs)).softmax(1)

    def sharpen(self, logits: Tensor) -> Tensor:
        """Scale logits ``(B, C)`` such that their softmax is calibrated; the
        order of the classes remains."""
        if self.distance_aware:
            factors = self.factors.to(logits)
            logits = logits * factors[logits.argmax(1)][:, None]
        return logits / self.temperature

    def logits(self, inputs: Tensor) -> Tensor:
        """Compute logits ``(B, C)``, before the temperature.

        Args:
            inputs (Tensor): ``(B, 3, H, W)``, from ``prepare``.

        Raises:
            DeptError: If the model has no head, or one that does not give one
                logit for each class.
        """
        if not self.module.with_head:
            raise DeptError('The model has no head, so it cannot classify; '
                            'image_features computes its features.')
        head, names = type(self.module.head).__name__, self.classes
        if isinstance(self.module.head, MultiLabelClsHead):
            raise DeptError(f'The head is a {head}: an image may have several '
                            'classes, so their probabilities are no '
                            'distribution. Use model.module.')
        found = self.module(inputs)
        if found.shape[1] != len(names):
            raise DeptError(f'The {head} scores {found.shape[1]} classes, but '
                            f'the model has {len(names)} names for them.')
        return found.float()

    def with_classes(self, names: Sequence[str], also: bool = False
                     ) -> TunedModel:
        """Return a model that scores other classes.

        It shares the frozen CLIP. A name that the model was trained on
        stands for that class, with all that was learned of it.

        Args:
            names (Sequence[str]): Class names in plain language.
            also (bool): Whether they join the classes of this model instead
                of replacing them. Defaults to False.

        Raises:
            DeptError: If a name is empty, too long or listed twice, or the
                model cannot score classes that it was not trained on.
        """
        module = deepcopy(self.module)  # the CLIP in it is not copied
        known = getattr(module.backbone, 'vocabulary', None)
        if known is None:
            raise DeptError('The model has no text tower; it cannot score '
                            'classes that it was not trained on.')
        module.backbone.set_vocabulary(known.with_names(names, also))
        module._dataset_meta = dict(classes=module.backbone.vocabulary.names)
        changed = replace(self, module=module, trained=self.trained or self)
        clip = module.backbone.clip
        size, scale = clip.spec.image_size, clip.logit_scale
        with torch.inference_mode():  # what cannot be scored is told now
            changed.logits(torch.zeros(1, 3, size, size, device=scale.device))
        return changed

    def _map(self, function: Callable[[Tensor], Tensor], images: Images,
             batch_size: int) -> Tensor:
        """Apply a function to each batch and join the results."""
        def compute(model: TunedModel, batch: Batch) -> Tensor:
            _refuse(batch.unreadable)
            return function(model.prepare(batch.data)).float()

        loader = make_loader(self.config, find_images(images), batch_size)
        return torch.cat([x for _, x in compute_each([self], compute, loader)])


def _refuse(unreadable: Sequence[Unreadable]) -> None:
    """Raise an error that names images that cannot be read."""
    if unreadable:
        raise DeptError('\n'.join(x.reason for x in unreadable))
