"""Time a user's own clone of DePT's public code."""
from __future__ import annotations

import importlib
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from mmengine.config import ConfigDict
from torch import nn

from _benchmark.case import Case
from _benchmark.measure import Part, Way
from _benchmark.works import Sizes

# What its trainers import beyond CLIP's own needs; nothing here runs it.
UNUSED = ('dassl', 'dassl.engine', 'dassl.engine.trainer', 'dassl.metrics',
          'dassl.optim', 'dassl.optim.radam', 'dassl.utils',
          'dassl.utils.tools', 'plotnine')


def train_step(clone: Path, case: Case, sizes: Sizes) -> Way:
    """Run the clone's CoOp+DePT step on the weights and the batch of a case.
    """
    count = min(sizes.chunk, case.classes)
    model = build(clone, case, count)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=1e-5, momentum=0.9)
    labels = torch.cat([s.gt_label for s in case.samples]) % count
    labels = labels.to(case.images.device)

    def step() -> None:
        loss = model(case.images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def text_step() -> None:
        text = model.text_encoder(model.prompt_learner(),
                                  model.tokenized_prompts)
        optimizer.zero_grad()
        text.backward(torch.ones_like(text))

    # With more classes, the texts of the others come on top.
    others = case.classes / count - 1
    return [Part(step), *([Part(text_step, others)] if others else [])]


def build(clone: Path, case: Case, count: int) -> nn.Module:
    """Build the clone's model of the first classes of a case.

    Raises:
        ImportError: If a file or a package that it needs is not there.
    """
    trainer, clip = _import(clone)
    # open_clip keeps the text tower, which OpenAI has at the top, in 'text'.
    state = {key.removeprefix('text.'): value
             for key, value in case.clip.model.state_dict().items()}
    model = clip.build_model(dict(state)).float()
    model.load_state_dict(state)  # the builder rounds to fp16
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
    return model.to(case.images.device).train()


@cache
def _import(clone: Path) -> tuple[ModuleType, ModuleType]:
    """Import the clone's CoOp+DePT trainer and its CLIP."""
    sys.path.insert(0, str(clone))
    for name in UNUSED:
        sys.modules.setdefault(name, _Unused(name))
    return (importlib.import_module('trainers.elp_coop'),
            importlib.import_module('clip.model'))


class _Unused(ModuleType):
    """Stand in for a module that is imported but not used."""

    def __getattr__(self, name: str) -> type:
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), dict(
            register=staticmethod(lambda: lambda cls: cls)))
