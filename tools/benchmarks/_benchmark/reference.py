"""Time a user's own clone of public code: of DePT, or of CLIP-LoRA."""
from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from _benchmark.case import Case
from _benchmark.measure import Part, Way
from _benchmark.works import Sizes

# What its trainers import beyond CLIP's own needs; nothing here runs it.
UNUSED = ('dassl', 'dassl.engine', 'dassl.engine.trainer', 'dassl.metrics',
          'dassl.optim', 'dassl.optim.radam', 'dassl.utils',
          'dassl.utils.tools', 'plotnine')
# Without dropout the layers of CLIP-LoRA take another way, which changes a
# weight in place before the backward pass reads it.
RARE = 1e-12


class Public(NamedTuple):
    """A model of a clone.

    Attributes:
        model (nn.Module): What is learned requires a gradient.
        loss (Callable): Images and labels to the loss.
        text (Callable): Encodes the classes.
    """
    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    text: Callable[[], Tensor]


def train_step(clone: Path, case: Case, sizes: Sizes) -> Way:
    """Run the clone's step on the weights and the batch of a case."""
    count = min(sizes.chunk, case.classes)
    public = BUILDERS[case.host](clone, case, count)
    learned = [p for p in public.model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=1e-5, momentum=0.9)
    labels = torch.cat([s.gt_label for s in case.samples]) % count
    labels = labels.to(case.images.device)

    def step() -> None:
        loss = public.loss(case.images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def text_step() -> None:
        text = public.text()
        optimizer.zero_grad()
        text.backward(torch.ones_like(text))

    # With more classes, the texts of the others come on top.
    others = case.classes / count - 1
    return [Part(step), *([Part(text_step, others)] if others else [])]


def build_dept(clone: Path, case: Case, count: int) -> Public:
    """Build CoOp+DePT of the first classes of a case.

    Raises:
        ImportError: If a file or a package that it needs is not there.
    """
    trainer, clip = _import(clone, 'trainers.elp_coop', 'clip.model')
    model = _build_clip(clip, case)
    cfg = ConfigDict(
        DATASET=dict(SUBSAMPLE_CLASSES='base', NAME=''),
        INPUT=dict(SIZE=[case.clip.spec.image_size]),
        TRAINER=dict(
            COOP=dict(N_CTX=case.ours.prompt.num_context, CTX_INIT='',
                      CSC=False, CLASS_TOKEN_POSITION='end'),
            LINEAR_PROBE=dict(TYPE='linear', WEIGHT=case.head.loss_weight,
                              TEST_TIME_FUSION=True),
            FILM=dict(LINEAR_PROBE=True)))
    names = case.ours.vocabulary.names[:count]
    with redirect_stdout(sys.stderr):
        model = trainer.CustomCLIP(cfg, names, model)
    own = ('prompt_learner', 'linear_probe', 'film')
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(own))
    model = model.to(case.images.device).train()
    return Public(model, model, lambda: model.text_encoder(
        model.prompt_learner(), model.tokenized_prompts))


def build_lora(clone: Path, case: Case, count: int) -> Public:
    """Build CLIP-LoRA of the first classes of a case, with the template of
    ours, and without dropout as ours.

    Raises:
        ImportError: If a file or a package that it needs is not there.
    """
    clip, models, lora = _import(clone, 'clip.clip', 'clip.model',
                                 'loralib.utils')
    model = _build_clip(models, case)
    options = SimpleNamespace(
        encoder='both', position='all', backbone='ViT-B/16', r=2, alpha=1,
        params=['q', 'k', 'v'], dropout_rate=RARE)
    with redirect_stdout(sys.stderr):
        lora.apply_lora(options, model)
    lora.mark_only_lora_as_trainable(model)
    model = model.to(case.images.device).train()
    vocabulary = case.ours.vocabulary
    ids = clip.tokenize([vocabulary.templates[0].format(name)
                         for name in vocabulary.names[:count]])

    def text() -> Tensor:
        return model.encode_text(ids.to(case.images.device))

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        image = F.normalize(model.encode_image(images), dim=-1)
        scores = image @ F.normalize(text(), dim=-1).T
        return F.cross_entropy(100 * scores, labels)

    return Public(model, loss, text)


BUILDERS = dict(coop=build_dept, clip_lora=build_lora)


def _build_clip(models: ModuleType, case: Case) -> nn.Module:
    """Build the clone's CLIP with the weights of a case."""
    # open_clip keeps the text tower, which OpenAI has at the top, in 'text'.
    state = {key.removeprefix('text.'): value
             for key, value in case.clip.model.state_dict().items()}
    model = models.build_model(dict(state)).float()
    model.load_state_dict(state)  # the builder rounds to fp16
    return model


@cache
def _import(clone: Path, *names: str) -> list[ModuleType]:
    """Import modules of a clone."""
    sys.path.insert(0, str(clone))
    for name in UNUSED:
        sys.modules.setdefault(name, _Unused(name))
    return [importlib.import_module(name) for name in names]


class _Unused(ModuleType):
    """Stand in for a module that is imported but not used."""

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), dict(
            register=staticmethod(lambda: lambda cls: cls)))
