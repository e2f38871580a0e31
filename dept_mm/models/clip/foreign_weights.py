"""Load CLIP weights in the layouts of Hugging Face and of MMPretrain's zoo.

A file is renamed to OpenAI's names, which open_clip's are made of. Every
tensor must find its place in the architecture, of the same shape. What
tensors do not tell is compared where the file does: the activation, the
number of heads, the epsilon of norms.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from open_clip.transformer import QuickGELU
from safetensors.torch import load_file
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.spec import architecture

# Their names, or parts of them -> OpenAI's.
HUGGING_FACE = {
    'text_model.embeddings.token_embedding.': 'token_embedding.',
    'text_model.embeddings.position_embedding.weight': 'positional_embedding',
    'text_model.encoder.layers.': 'transformer.resblocks.',
    'text_model.final_layer_norm.': 'ln_final.',
    'text_projection.weight': 'text_projection',
    'vision_model.embeddings.class_embedding': 'visual.class_embedding',
    'vision_model.embeddings.patch_embedding.': 'visual.conv1.',
    'vision_model.embeddings.position_embedding.weight':
        'visual.positional_embedding',
    'vision_model.pre_layrnorm.': 'visual.ln_pre.',  # sic
    'vision_model.encoder.layers.': 'visual.transformer.resblocks.',
    'vision_model.post_layernorm.': 'visual.ln_post.',
    'visual_projection.weight': 'visual.proj',
    '.self_attn.': '.attn.',
    '.layer_norm1.': '.ln_1.',
    '.layer_norm2.': '.ln_2.',
    '.fc1.': '.c_fc.',
    '.fc2.': '.c_proj.',
}
MMPRETRAIN = {
    'visual.cls_token': 'visual.class_embedding',
    'visual.patch_embed.projection.': 'visual.conv1.',
    'visual.pos_embed': 'visual.positional_embedding',
    'visual.pre_norm.': 'visual.ln_pre.',
    'visual.layers.': 'visual.transformer.resblocks.',
    'visual.ln1.': 'visual.ln_post.',
    'visual_proj.proj': 'visual.proj',
    '.ln1.': '.ln_1.',
    '.ln2.': '.ln_2.',
    '.ffn.layers.0.0.': '.mlp.c_fc.',
    '.ffn.layers.1.': '.mlp.c_proj.',
    '.attn.qkv.': '.attn.in_proj_',
    '.attn.proj.': '.attn.out_proj.',
}
QUICK = dict(hidden_act='quick_gelu')
# What Hugging Face's config.json leaves out, by tower.
DEFAULTS = dict(
    text=dict(QUICK, layer_norm_eps=1e-5, num_attention_heads=8),
    vision=dict(QUICK, layer_norm_eps=1e-5, num_attention_heads=12))


def load_foreign(model: nn.Module, clip: Mapping, path: Path) -> bool:
    """Load a file or folder if it has one of these layouts.

    Args:
        model (nn.Module): An open_clip ``CustomTextCLIP``.
        clip (Mapping): Its config.
        path (Path): The weights.

    Returns:
        bool: Whether it was loaded; else it is left to open_clip.

    Raises:
        DeptError: If it does not fit the architecture, or does not say which
            activation it was trained with.
    """
    if path.suffix in ('.npz', '.npy'):  # big_vision's
        return False
    state = _read(path)
    if any(name.startswith('vision_model.') for name in state):
        state, config = _from_hugging_face(state), _config_of(path)
        if config is None and 'quick_gelu' not in architecture(clip):
            raise DeptError(
                f'{path} does not say whether it was trained with QuickGELU, '
                'as the CLIPs of OpenAI, or with GELU. Put the config.json '
                'of its repository beside it, or take the architecture '
                f'{clip["name"]}-quickgelu.')
    elif 'visual.patch_embed.projection.weight' in state:
        # MMPretrain has converted OpenAI's only.
        state = _from_mmpretrain(state)
        config = dict(text=QUICK, vision=QUICK)
    else:
        return False
    model.load_state_dict(
        open_clip.model.convert_to_custom_text_state_dict(state))
    _compare(model, config or {}, path, clip['name'])
    return True


def _read(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, or of all files of a folder."""
    files = [path]
    if path.is_dir():
        files = sorted(path.glob('model*.safetensors'))
        if not files:
            raise DeptError(f'{path} holds no model*.safetensors; if it has '
                            'a pytorch_model.bin, name that file.')
    state: dict[str, Tensor] = {}
    for file in files:
        if file.suffix == '.safetensors':
            found = load_file(file)
        else:
            found = torch.load(file, map_location='cpu', weights_only=True)
        found = found.get('state_dict', found)
        state |= {k: v for k, v in found.items() if isinstance(v, Tensor)}
    return state


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]
             ) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        for theirs, ours in names.items():
            # Only parts that start with a dot are looked for inside.
            if name.startswith(theirs) or theirs[0] == '.':
                name = name.replace(theirs, ours, 1)
        if name in found:
            raise DeptError(f'The weights hold {name} twice.')
        found[name] = value
    return found


def _from_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Join query, key and value weights, and drop position counters."""
    state = _renamed(state, HUGGING_FACE)
    for name in list(state):
        if name.endswith('.embeddings.position_ids'):
            del state[name]
        elif '.q_proj.' in name:
            parts = [state.pop(name.replace('.q_', f'.{part}_'), None)
                     for part in 'qkv']
            if len({getattr(part, 'shape', None) for part in parts}) > 1:
                raise DeptError(f'The weights hold {name}, but no keys and '
                                'values of this shape.')
            state[name.replace('q_proj.', 'in_proj_')] = torch.cat(parts)
    for name in state.keys() & {'text_projection', 'visual.proj'}:
        state[name] = state[name].T
    return state


def _from_mmpretrain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the leading axes of position and class embeddings."""
    state = _renamed(state, MMPRETRAIN)
    for name, size in (('positional_embedding', 2), ('class_embedding', 1)):
        value = state.get(f'visual.{name}')
        if value is not None:
            state[f'visual.{name}'] = value.reshape(value.shape[-size:])
    return state


def _config_of(path: Path) -> dict[str, dict] | None:
    """Read Hugging Face's config of both towers, if there is one."""
    path = (path if path.is_dir() else path.parent) / 'config.json'
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text('utf-8'))
        if found.get('model_type') != 'clip':
            return None
        return {tower: default | (found.get(f'{tower}_config') or {})
                for tower, default in DEFAULTS.items()}
    except (ValueError, AttributeError) as error:
        raise DeptError(f'{path} is no config of a model: {error}'
                        ) from error


def _compare(model: nn.Module, config: Mapping[str, Mapping], path: Path,
             name: str) -> None:
    """Compare the known sizes of the towers with those of the model."""
    towers = dict(text=model.text, vision=model.visual)
    for tower, theirs in config.items():
        block = towers[tower].transformer.resblocks[0]
        quick = isinstance(block.mlp.gelu, QuickGELU)
        ours = dict(hidden_act='quick_gelu' if quick else 'gelu',
                    layer_norm_eps=block.ln_1.eps,
                    num_attention_heads=block.attn.num_heads)
        for field in ours.keys() & theirs.keys():
            if ours[field] != theirs[field]:
                raise DeptError(
                    f'{path}: its {tower} tower has {field}='
                    f'{theirs[field]!r}, that of CLIP {name!r} '
                    f'{ours[field]!r}. Take the architecture it was trained '
                    'with; those with QuickGELU are called ...-quickgelu.')
