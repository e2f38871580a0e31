"""Comparison of what public checkpoints hold but did not learn: sentences of
the classes, words of attributes and the frozen CLIP.

Each function removes the entries that it has compared.
"""
from __future__ import annotations

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.exchange.public_names import ADAPTER, LEARNER
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import ClassTokens
from dept_mm.models.prompts import ATPrompt, TunedBlocks

# Start of a name in the public code -> that of the same one in open_clip.
# CoPrompt keeps a second CLIP, whose text tower has no prefix.
TOWERS = {LEARNER + 'ZS_image_encoder.': 'visual.',
          'image_encoder.': 'visual.', 'text_encoder.': 'text.',
          'model_distill.visual.': 'visual.',
          'model_distill.logit_scale': 'logit_scale',
          'model_distill.': 'text.', 'logit_scale': 'logit_scale'}
# Relative tolerance: averaging over epochs in fp16 rounds frozen weights too.
ROUNDING = 0.01
PREFIX = LEARNER + 'token_prefix'
# Entry with the sentences of the classes -> whether they are whole, or begin
# behind the learned tokens.
SENTENCES = {LEARNER + 'token_suffix': False, 'prompt_embeddings': True,
             ADAPTER + '.token_embedding': True,
             ADAPTER + '.tokenized_prompts': True}


def check_classes(state: dict[str, Tensor], backbone: PromptedCLIP, source
                  ) -> list[str]:
    """Compare the class names in the checkpoint with the config's.

    Raises:
        DeptError: If they differ, or stand in other sentences.
    """
    state.pop(PREFIX, None)
    held = [name for name in SENTENCES if name in state]
    if not held:
        return ['not checked: class names, which it does not hold']
    known = backbone.vocabulary
    names = [known.names[label] for label in known.base_labels]
    template = backbone.prompt.sentence(known.templates[0])
    tokens = backbone.clip.tokenize(names, template)
    for entry in held:
        rows = state.pop(entry)
        count = len(rows) if rows.dim() > 1 else 0
        if count != len(names):
            raise DeptError(f'{source} was trained on {count} classes, but '
                            f'the config has {len(names)} base classes: set '
                            "the data set's base_classes.")
        same = _compare_rows(rows, tokens, backbone, SENTENCES[entry])
        wrong = [name for name, fits in zip(names, same, strict=True)
                 if not fits]
        if wrong:
            raise DeptError(
                f'{source} was trained on other classes, with another '
                f'template, or in another order: {len(wrong)} of {len(names)} '
                f'differ, such as {wrong[:5]}. The config has {template!r}.')
    dropped = ', '.join(name.rpartition('.')[2] for name in held)
    return [f'dropped: {dropped}; they say the same {len(names)} class names '
            'in the same order']


def _compare_rows(rows: Tensor, tokens: ClassTokens, backbone: PromptedCLIP,
                  whole: bool) -> list[bool]:
    """Tell for each class whether its sentence is in ``rows``, which are
    embeddings ``(C, T, W)`` or ids ``(C, T)``."""
    start = 0 if whole else tokens.start
    own = tokens.ids[:, start:]
    if rows.is_floating_point():
        own = backbone.clip.text_tower.embed(own)
    same = []
    for i, end in enumerate(tokens.end - start + 1):
        theirs, ours = rows[i, :end], own[i, :end]
        same.append(theirs.shape == ours.shape and (
            is_close(theirs, ours) if rows.is_floating_point()
            else bool((theirs == ours).all())))
    return same


def check_attributes(state: dict[str, Tensor], backbone: PromptedCLIP, source
                     ) -> list[str]:
    """Compare the words between the learned tokens of ATPrompt.

    The public code creates tokens of three attributes, whatever their number
    is, but keeps words of those it uses.

    Raises:
        DeptError: If the checkpoint has other words.
    """
    learner = backbone.prompt
    if not isinstance(learner, ATPrompt):
        return []
    for i, word in enumerate(learner.attributes):
        theirs = state.pop(f'{LEARNER}token_middle{i + 1}', None)
        own = getattr(learner, f'word{i}')
        if theirs is None or theirs.shape[1:] != own.shape or (
                not is_close(theirs, own)):
            raise DeptError(
                f'{source}: attribute {i + 1} is {word!r} in the config, but '
                'not in the checkpoint, which keeps one token of each word. '
                'Set the attributes of ATPrompt.')
    unused = [f'{LEARNER}ctx_att{i}' for i in (1, 2, 3)
              if f'{LEARNER}ctx_att{i}' in state
              and f'{LEARNER}token_middle{i}' not in state]
    for name in unused:
        del state[name]
    lines = [f'dropped: words of the attributes {learner.attributes}, the '
             "same as the config's"]
    if unused:
        lines.append(f'dropped: {", ".join(unused)}; the checkpoint has no '
                     'words for them, so they were never used')
    return lines


def check_clip(state: dict[str, Tensor], backbone: PromptedCLIP, source
               ) -> list[str]:
    """Compare the checkpoint's frozen CLIP with the config's.

    Raises:
        DeptError: If it is another one.
    """
    clip = backbone.clip.model.state_dict()
    names = {key: _find_own_name(key) for key in state}
    names = {key: own for key, own in names.items() if own in clip}
    # Fine-tuning may change weights by less than what averaging rounds.
    tuned = isinstance(backbone.prompt, TunedBlocks)
    same = is_equal_in_half if tuned else is_close
    wrong = [key for key, own in names.items()
             if state[key].shape != clip[own].shape
             or not same(state[key], clip[own])]
    if wrong:
        also = (', and the first_block of TunedBlocks: what stands below it '
                'must be as in the CLIP' if tuned else '')
        raise DeptError(
            f"{source}: its frozen CLIP is not the config's, "
            f'{backbone.clip.name!r}: {len(wrong)} of {len(names)} entries '
            f'differ, such as {wrong[:3]}. Set clip.name and '
            f'clip.pretrained{also}.')
    for key in names:
        del state[key]
    return [f'dropped: {len(names)} entries of the frozen CLIP, the same as '
            "the config's"] if names else [
                'not checked: which CLIP it was trained on']


def _find_own_name(key: str) -> str | None:
    """Return open_clip's name of a frozen entry, or None."""
    return next((ours + key.removeprefix(theirs) for theirs, ours
                 in TOWERS.items() if key.startswith(theirs)), None)


def is_close(theirs: Tensor, ours: Tensor) -> bool:
    """Tell whether values differ by rounding at most."""
    ours = ours.float()
    theirs = theirs.to(ours)
    return torch.equal(theirs, ours) or bool(
        (theirs - ours).abs().max() <= ROUNDING * ours.abs().max())


def is_equal_in_half(theirs: Tensor, ours: Tensor) -> bool:
    """Tell whether values are the same in half precision."""
    return torch.equal(theirs.half(), ours.half())
