"""A host with DePT and a number of classes, built both ways."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from _benchmark.names import class_names
from _benchmark.plain import PlainBackbone
from dept_mm.engine.feature_store import choose_content
from dept_mm.errors import DeptError
from dept_mm.models import DePTHead, PromptedCLIP
from dept_mm.models.clip import FrozenCLIP
from dept_mm.structures import Vocabulary


@dataclass(frozen=True)
class Host:
    """A published method, in the options of its parts.

    Attributes:
        prompt (dict): The learner; its blocks are cut to the CLIP's.
        batch (int): Images in a training step.
        teacher (dict, optional): Of the backbone.
        losses (tuple[dict]): Of the head.
    """
    prompt: dict
    batch: int = 4
    teacher: dict | None = None
    losses: tuple[dict, ...] = field(default=())


# Options that count blocks.
BLOCKS = ('depth', 'text_depth', 'image_depth', 'first_block')
HOSTS = dict(
    coop=Host(dict(type='CoOpPrompt', num_tokens=16)),
    cocoop=Host(dict(type='CoCoOpPrompt'), batch=1),
    kgcoop=Host(dict(type='CoOpPrompt', words='a photo of a'),
                teacher=dict(),
                losses=(dict(type='TextConsistencyLoss', loss_weight=2.), )),
    maple=Host(dict(type='MaPLePrompt', depth=9)),
    promptsrc=Host(dict(type='IVLPPrompt', text_depth=9, image_depth=9),
                   teacher=dict(image=True),
                   losses=(dict(type='SelfConsistencyLoss'), )),
    mmrl=Host(dict(type='MMRLPrompt', first_block=6),
              teacher=dict(image=True),
              losses=(dict(type='TokenFeatureLoss'),
                      dict(type='TextConsistencyLoss', loss_weight=.5),
                      dict(type='ImageConsistencyLoss', loss_weight=.5))),
    mm_adapter=Host(dict(type='MultiModalAdapter', first_block=5)),
    atprompt=Host(dict(type='ATPrompt', host=dict(
        type='CoOpPrompt', num_tokens=4))),
    # Without its two small adapters of features.
    coprompt=Host(dict(type='MaPLePrompt', depth=9),
                  teacher=dict(image=True),
                  losses=(dict(type='TextConsistencyLoss'),
                          dict(type='ImageConsistencyLoss'))),
    skip_tuning=Host(dict(type='TunedBlocks', first_block=7)),
    # Both ways must draw the same numbers: none.
    clip_lora=Host(dict(type='CLIPLoRA', dropout=0.)))


class Case:
    """Models, a batch, and the ways to work on it.

    Args:
        host (str): A key of ``HOSTS``.
        clip (FrozenCLIP): The CLIP.
        classes (int): How many; all are base classes.
        device (str): Where to run.
    """

    def __init__(self, host: str, clip: FrozenCLIP, classes: int,
                 device: str = 'cpu') -> None:
        recipe = HOSTS[host]
        names = Vocabulary(class_names(clip.tokenizer, classes))
        layers = clip.text_tower.num_layers
        prompt = {k: min(v, layers) if k in BLOCKS else v
                  for k, v in recipe.prompt.items()}
        torch.manual_seed(0)
        self.host, self.clip, self.classes = host, clip, classes
        self.device = torch.device(device)
        self.ours = PromptedCLIP(clip, names, prompt,
                                 teacher=recipe.teacher).to(device)
        self.head = DePTHead(names, in_channels=clip.spec.embed_dim,
                             losses=recipe.losses).to(device)
        self.plain = PlainBackbone(self.ours)
        self.image_is_frozen = self.ours.prompt.for_image().empty
        self.images = self.draw_images(recipe.batch)
        self.features = self.draw_features(recipe.batch)
        self.samples = [DataSample().set_gt_label(i % classes)
                        for i in range(recipe.batch)]
        self.learned = [*self.ours.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.SGD(self.learned, lr=1e-5, momentum=0.9)

    @torch.no_grad()
    def store(self) -> Any:
        """The batch with what the feature store holds of it in training, or
        None."""
        try:
            content = choose_content(self.ours)
        except DeptError:
            return None
        return content.join(self.images, content.encode(self.images))

    def draw_images(self, count: int) -> Tensor:
        """Random images ``(count, 3, H, W)``."""
        side = self.clip.spec.image_size
        return torch.randn(count, 3, side, side, device=self.device)

    def draw_features(self, count: int) -> Tensor:
        """Random image features ``(count, D)``."""
        return torch.randn(count, self.clip.spec.embed_dim,
                           device=self.device)

    def draw_text(self, images: int | None = None) -> Tensor:
        """Random class texts, for ``images`` where they depend on them;
        as many as in a training batch by default."""
        lead = [images or len(self.images)] if self.per_image else []
        return torch.randn(*lead, self.classes, self.clip.spec.embed_dim,
                           device=self.device, requires_grad=True)

    @property
    def per_image(self) -> bool:
        """Whether each image has class texts of its own."""
        return self.ours.prompt.per_image

    def loss(self, backbone, *inputs: Tensor) -> Tensor:
        """The loss of the batch; ``inputs`` are the backbone's."""
        losses = self.head.loss(backbone(*inputs), self.samples)
        return sum(losses.values())

    def step(self, backbone, *inputs: Tensor) -> None:
        """A training step."""
        self.ours.train()
        self.head.train()
        self.optimizer.zero_grad()
        self.loss(backbone, *inputs).backward()
        self.optimizer.step()

    @torch.no_grad()
    def predict(self, backbone, *inputs: Tensor) -> list[DataSample]:
        """A test batch."""
        return self.head.predict(backbone(*inputs))

    def text_step(self, text: Tensor) -> None:
        """Backward through text features."""
        self.optimizer.zero_grad()
        text.backward(torch.ones_like(text))
