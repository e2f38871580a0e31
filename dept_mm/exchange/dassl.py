"""Conversion of checkpoints from the public code of methods.

Most of that code is built on the Dassl toolbox and saves checkpoints in its
layout; CLIP-LoRA has a layout of its own.
"""
from __future__ import annotations

import re
from pathlib import Path

import torch
from mmengine.config import Config
from mmpretrain import get_model
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_writer import write_adapter
from dept_mm.exchange.lora_file import flatten_lora_file, is_lora_file
from dept_mm.exchange.public_frozen import (
    check_attributes,
    check_classes,
    check_clip,
)
from dept_mm.exchange.public_names import ADAPTER, LEARNER, find_public_name
from dept_mm.exchange.public_teacher import TEXTS, lacks_texts, take_texts
from dept_mm.exchange.recipe import parse_config
from dept_mm.exchange.stub_pickle import read_pickled
from dept_mm.models import PromptedCLIP
from dept_mm.models.prompts import BasePrompt
from dept_mm.models.utils.header import KEY

# Some trainers save one part of the model: an entry of it -> its prefix.
PARTS = {'ctx': LEARNER, 'token_embedding': f'{ADAPTER}.'}
# KgCoOp creates modules that it never uses. The entry `KGCOOP` tells that a
# checkpoint is KgCoOp's; CoCoOp uses its own `meta_net`.
KGCOOP = LEARNER + 'bias_vectors'
KGCOOP_UNUSED = re.compile(
    r'(prompt_learner\.)?(bias_vectors|meta_net\.linear[12]\.(weight|bias))'
    r'|adapter\.fc\.[02]\.weight')


def import_checkpoint(source: str | Path, out: str | Path, cfg: Config
                      ) -> list[str]:
    """Write what a public checkpoint has learned as an adapter.

    It reads checkpoints of CoOp, CoCoOp, KgCoOp, MaPLe and PromptSRC, each
    with or without DePT, and of MMRL, MMRL++, MultiModalAdapter, CoPrompt,
    ATPrompt, CLIP-LoRA, PromptKD and Skip Tuning. Every entry is either
    copied, or checked and dropped. The frozen CLIP in the checkpoint must be
    the config's, and the class names it was trained on must be the config's
    base classes, in the same order.

    Args:
        source (str | Path): The checkpoint ``model.pth.tar-N``, or
            ``lora_weights.pt`` of CLIP-LoRA; no code in it is run.
        out (str | Path): The adapter to write.
        cfg (Config): A config of the same method on the same data set.

    Returns:
        list[str]: Lines that say what became of the entries.

    Raises:
        DeptError: If the checkpoint cannot be read, does not fit the config,
            or holds an entry that the config does not explain.
    """
    found, stubs = read_pickled(source)
    model = get_model(cfg)
    backbone = model.backbone
    if not isinstance(backbone, PromptedCLIP) or not backbone.prompt:
        raise DeptError('The config has no PromptedCLIP with a prompt '
                        'learner; use a config of the method that made '
                        f'{source}.')
    state, notes = _read_entries(found, backbone.prompt, source)
    with torch.no_grad():
        report = [f'not loaded: {", ".join(stubs)}'] if stubs else []
        report += _copy_learned(state, model, source)
        report += take_texts(model, source)
        for check in (check_classes, check_attributes, check_clip):
            report += check(state, backbone, source)
    if KGCOOP in state:
        report += _drop_entries(state, KGCOOP_UNUSED, 'KgCoOp never uses them')
    if state:
        raise DeptError(
            f'{source}: {len(state)} entries are not explained by the '
            f'config, such as {sorted(state)[:5]}. Use a config of the '
            'method that made it; a checkpoint with film_* and linear_probe* '
            'needs a DePTHead.')
    write_adapter(out, model.state_dict(), parse_config(cfg.pretty_text))
    return report + notes


def _read_entries(found: dict, learner: BasePrompt, source
                  ) -> tuple[dict[str, Tensor], list[str]]:
    """Return the entries by their names in the public model, and lines about
    settings that shapes do not show."""
    if is_lora_file(found):
        state, notes = flatten_lora_file(found, learner, source)
    else:
        state = found.get('state_dict')
        settings = ', '.join(f'{k}={v!r}' for k, v in learner.settings.items())
        notes = [f"settings are the config's: {settings}"] if settings else []
    if not isinstance(state, dict) or not all(
            isinstance(value, Tensor) for value in state.values()):
        raise DeptError(f'{source} has no state_dict of tensors; it has '
                        'neither the layout of Dassl nor that of CLIP-LoRA.')
    state = {key.removeprefix('module.'): value
             for key, value in state.items()}
    prefix = next((PARTS[key] for key in PARTS if key in state), '')
    return {prefix + key: value for key, value in state.items()}, notes


def _copy_learned(state: dict, model: nn.Module, source) -> list[str]:
    """Move learned parameters from the state into the model."""
    learner = type(model.backbone.prompt).__name__
    taken = 0
    for name, own in model.state_dict().items():
        if name.endswith(f'.{KEY}') or (
                name == TEXTS and lacks_texts(model)):
            continue
        public = find_public_name(learner, name)
        theirs = state.pop(public, None)
        if theirs is None:
            raise DeptError(f'{source} has no {public!r} for {name} of the '
                            "config's model; use a config of the method "
                            'that made it.')
        if theirs.shape[2:] == (1, 1):  # a linear layer as a convolution
            theirs = theirs[..., 0, 0]
        if theirs.shape != own.shape:
            raise DeptError(
                f'{source}: {public} is {tuple(theirs.shape)}, but {name} '
                f"of the config's model is {tuple(own.shape)}. Number of "
                'tokens, depth and base classes must be the same.')
        own.copy_(theirs)
        taken += own.numel()
    return [f'taken: {taken} learned values of {learner} and '
            f'{type(model.head).__name__}']


def _drop_entries(state: dict, pattern: re.Pattern, why: str) -> list[str]:
    names = [key for key in state if pattern.fullmatch(key)]
    for key in names:
        del state[key]
    return [f'dropped: {", ".join(names)}; {why}']
