"""Both towers of CLIP with prompt modules, written out: one class at a time,
all positions, nothing shared."""
import torch
from torch.nn import functional as F

from dept_mm.models import PromptedCLIP
from dept_mm.structures import Vocabulary


def build(clip, names, **towers):
    """Modules away from their start, where offsets are zero."""
    if isinstance(names, tuple):
        names = Vocabulary(names)
    backbone = PromptedCLIP(clip, names, dict(type='TowerPrompts', **towers))
    for p in backbone.parameters():
        p.data.add_(torch.randn_like(p), alpha=.3)
    return backbone


def moved(module, x):
    """The papers' formulas."""
    if hasattr(module, 'offset_a'):
        delta = 8 / 3**.5 * module.offset_a @ module.offset_b
        return x + F.pad(delta, (0, 0, 0, x.shape[1] - len(delta)))
    if hasattr(module, 'offset_down'):
        (w1, b1), (w2, b2) = (tuple(layer.parameters()) for layer in (
            module.offset_down, module.offset_up))
        return x + (x @ w1.T + b1).clamp(min=0) @ w2.T + b2
    return x


def made(module, hidden, anchor, own):
    """Late tokens of one input, ``hidden (L, W)``."""
    if module.late_tokens is not None:
        return module.late_tokens
    hidden = F.layer_norm(hidden, hidden.shape[-1:])
    if module.generator == 'npg':
        x = module.late_down(hidden[anchor]).relu()
        return module.late_up(x).view(module.num_tokens, -1)
    pool = dict(appg=F.adaptive_avg_pool1d, mppg=F.adaptive_max_pool1d)
    x = module.late_down(hidden[own]).T[None]
    return module.late_up(
        pool[module.generator](x, module.num_tokens)[0].T.relu())


def words_of(backbone, name, template):
    """Input ``(77, W)`` of the first block, and the slot of the end."""
    clip, modules = backbone.clip, backbone.prompt.text
    text, encode = clip.model.text, clip.tokenizer.encode
    ids = clip.tokenizer([template.format(name)])
    end = int(ids.argmax())
    first = 1 + len(encode(template.partition('{}')[0]))
    own = dict(all=slice(77), no_special=slice(1, end),
               name=slice(first, first + len(encode(name))))
    scope = torch.zeros(1, 77, 1, dtype=torch.bool)
    scope[:, own[modules.scope]] = True
    x = text.token_embedding(ids)
    x = torch.where(scope, moved(modules.input, x), x)[0]
    if modules.num_tokens:
        tokens = modules.input.soft.prompt_tokens
        x = torch.cat([x[:1], tokens, x[1:77 - len(tokens)]])
        end += len(tokens)
    return x + text.positional_embedding, end


def plain_text(backbone, names, template='{}.', shift=0, longest=None,
               image=None):
    """Each class alone, all 77 positions, late tokens beyond them.

    Args:
        backbone (PromptedCLIP): With ``TowerPrompts`` in its text tower.
        names (Sequence[str]): Class names.
        template (str): Their sentence.
        shift (int): Read the feature so many slots too far.
        longest (int, optional): Drop what is pushed behind so many slots.
        image (Tensor, optional): ``(D, )``, for late prompts that look at
            it.
    """
    modules, text, found = backbone.prompt.text, backbone.clip.model.text, []
    for name in names:
        x, end = words_of(backbone, name.replace('_', ' '), template)
        sos = 0
        for i, block in enumerate(text.transformer.resblocks):
            for late in modules.late:
                if late.layer == i:
                    tokens = made(late, x, end, slice(end + 1))
                    if late.late_image is not None:
                        tokens = tokens + late.late_image.weight @ (
                            image / image.norm())
                    at = 0 if late.layer in modules.front else sos + 1
                    x = torch.cat([x[:at], tokens, x[at:]])[:longest]
                    end += len(tokens)
                    sos += len(tokens) * (at == 0)
            mask = torch.full((len(x), len(x)), float('-inf')).triu(1)
            x = block(x[None], attn_mask=mask.to(x))[0]
        found.append(text.ln_final(x)[end + shift] @ text.text_projection)
    return torch.stack(found)


def plain_images(backbone, images):
    """Late tokens behind the class token instead of at the end."""
    v, modules = backbone.clip.model.visual, backbone.prompt.image
    x = v.conv1(images).flatten(2).mT
    x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], 1)
    x = moved(modules.input, x) + v.positional_embedding
    if modules.num_tokens:
        x = torch.cat([x, modules.input.soft.prompt_tokens.expand(
            len(x), -1, -1)], 1)
    x = v.ln_pre(x)
    for i, block in enumerate(v.transformer.resblocks):
        for late in modules.late:
            if late.layer == i:
                tokens = torch.stack([made(late, row, 0, slice(1, 5))
                                      for row in x])
                x = torch.cat([x[:, :1], tokens, x[:, 1:]], 1)
        x = block(x)
    return v.ln_post(x)[:, 0] @ v.proj
