"""Conversion of checkpoints from the public code of DePT and CoOp.

That code is built on the Dassl toolbox and saves checkpoints in its layout.
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
from dept_mm.exchange.public_names import LEARNER, find_public_name
from dept_mm.exchange.recipe import parse_config
from dept_mm.exchange.stub_pickle import read_pickled
from dept_mm.models import PromptedCLIP
from dept_mm.models.utils.header import KEY

# Prefixes of frozen CLIP copies in the public code -> those in open_clip.
TOWERS = {LEARNER + 'ZS_image_encoder.': 'visual.',
          'image_encoder.': 'visual.', 'text_encoder.': 'text.'}
# Relative tolerance: averaging over epochs in fp16 rounds frozen weights too.
ROUNDING = 0.01
SUFFIX, PREFIX = LEARNER + 'token_suffix', LEARNER + 'token_prefix'
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
    with or without DePT. Every entry is either copied, or checked and dropped.
    The frozen CLIP in the checkpoint must be the config's, and the class names
    it was trained on must be the config's base classes, in the same order.

    Args:
        source (str | Path): The checkpoint ``model.pth.tar-N``; no code in it
            is run.
        out (str | Path): The adapter to write.
        cfg (Config): A config of the same method on the same data set.

    Returns:
        list[str]: Lines that say what became of the entries.

    Raises:
        DeptError: If the checkpoint cannot be read, does not fit the config,
            or holds an entry that the config does not explain.
    """
    found, stubs = read_pickled(source)
    state = _get_state(found, source)
    model = get_model(cfg)
    backbone = model.backbone
    if not isinstance(backbone, PromptedCLIP) or not backbone.prompt:
        raise DeptError('The config has no PromptedCLIP with a prompt '
                        'learner; use a config of the method that made '
                        f'{source}.')
    with torch.no_grad():
        report = [f'not loaded: {", ".join(stubs)}'] if stubs else []
        report += _copy_learned(state, model, source)
        report += _check_classes(state, backbone, source)
        report += _check_clip(state, backbone, source)
    if KGCOOP in state:
        report += _drop_entries(state, KGCOOP_UNUSED, 'KgCoOp never uses them')
    if state:
        raise DeptError(
            f'{source}: {len(state)} entries are not explained by the '
            f'config, such as {sorted(state)[:5]}. Use a config of the '
            'method that made it; a checkpoint with film_* and linear_probe* '
            'needs a DePTHead.')
    write_adapter(out, model.state_dict(), parse_config(cfg.pretty_text))
    return report


def _get_state(found: dict, source) -> dict[str, Tensor]:
    """Return the state dict, with names that start at the model's root."""
    state = found.get('state_dict')
    if not isinstance(state, dict) or not all(
            isinstance(value, Tensor) for value in state.values()):
        raise DeptError(f'{source} has no state_dict of tensors; it does '
                        'not have the layout of Dassl.')
    state = {key.removeprefix('module.'): value
             for key, value in state.items()}
    if 'ctx' in state:  # CoOp and CoCoOp save only the prompt learner
        state = {LEARNER + key: value for key, value in state.items()}
    return state


def _copy_learned(state: dict, model: nn.Module, source) -> list[str]:
    """Move learned parameters from the state into the model."""
    learner = type(model.backbone.prompt).__name__
    taken = 0
    for name, own in model.state_dict().items():
        if name.endswith(f'.{KEY}'):
            continue
        public = find_public_name(learner, name)
        theirs = state.pop(public, None)
        if theirs is None:
            raise DeptError(f'{source} has no {public!r} for {name} of the '
                            "config's model; use a config of the method "
                            'that made it.')
        if theirs.shape != own.shape:
            raise DeptError(
                f'{source}: {public} is {tuple(theirs.shape)}, but {name} '
                f"of the config's model is {tuple(own.shape)}. Number of "
                'tokens, depth and base classes must be the same.')
        own.copy_(theirs)
        taken += own.numel()
    return [f'taken: {taken} learned values of {learner} and '
            f'{type(model.head).__name__}']


def _check_classes(state: dict, backbone: PromptedCLIP, source) -> list[str]:
    """Compare the class names embedded in the checkpoint with the config's."""
    state.pop(PREFIX, None)
    embedded = state.pop(SUFFIX, None)
    if embedded is None:
        return ['not checked: class names, which it does not hold']
    known = backbone.vocabulary
    names = [known.names[label] for label in known.base_labels]
    if len(embedded) != len(names):
        raise DeptError(f'{source} was trained on {len(embedded)} classes, '
                        f'but the config has {len(names)} base classes: '
                        "set the data set's base_classes.")
    template = backbone.prompt.sentence(known.templates[0])
    tokens = backbone.clip.tokenize(names, template)
    own = backbone.clip.text_tower.embed(tokens.ids[:, tokens.start:])
    wrong = []
    for i, end in enumerate(tokens.end - tokens.start + 1):
        theirs = embedded[i, :end].to(own)
        if theirs.shape != own[i, :end].shape or not _is_close(
                theirs, own[i, :end]):
            wrong.append(names[i])
    if wrong:
        raise DeptError(f'{source} was trained on other classes, or in '
                        f'another order: {len(wrong)} of {len(names)} '
                        f'differ, such as {wrong[:5]}.')
    return [f'dropped: token_prefix, token_suffix; they say the same '
            f'{len(names)} class names in the same order']


def _check_clip(state: dict, backbone: PromptedCLIP, source) -> list[str]:
    """Compare the checkpoint's frozen CLIP with the config's."""
    clip = backbone.clip.model.state_dict()
    names = {key: key for key in state if key == 'logit_scale'}
    for theirs, ours in TOWERS.items():
        names |= {key: ours + key.removeprefix(theirs)
                  for key in state if key.startswith(theirs)}
    names = {key: ours for key, ours in names.items() if ours in clip}
    wrong = [key for key, ours in names.items()
             if state[key].shape != clip[ours].shape
             or not _is_close(state[key], clip[ours])]
    if wrong:
        raise DeptError(
            f"{source}: its frozen CLIP is not the config's, "
            f'{backbone.clip.name!r}: {len(wrong)} of {len(names)} entries '
            f'differ, such as {wrong[:3]}. Set clip.name and '
            'clip.pretrained.')
    for key in names:
        del state[key]
    return [f'dropped: {len(names)} entries of the frozen CLIP, the same as '
            "the config's"] if names else [
                'not checked: which CLIP it was trained on']


def _is_close(theirs: Tensor, ours: Tensor) -> bool:
    ours = ours.float()
    return bool((theirs.to(ours) - ours).abs().max()
                <= ROUNDING * ours.abs().max())


def _drop_entries(state: dict, pattern: re.Pattern, why: str) -> list[str]:
    names = [key for key in state if pattern.fullmatch(key)]
    for key in names:
        del state[key]
    return [f'dropped: {", ".join(names)}; {why}']
