"""Build a frozen CLIP from a config."""
from __future__ import annotations

import json
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from mmengine.logging import print_log
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.feature_clip import FeatureCLIP
from dept_mm.models.clip.foreign_weights import load_foreign
from dept_mm.models.clip.frozen_clip import (
    FrozenCLIP,
    dtype_beside,
    weights_digest,
)
from dept_mm.models.clip.spec import (
    architecture,
    clip_spec,
    model_name,
    weights_path,
)
from dept_mm.registry import MODELS

PRECISIONS = ('fp32', 'fp16', 'bf16', 'pure_fp16')
RANDOM = 'random'
RANDOM_SEED = 0
# Key of a CLIP config -> the instance that models share while one lives.
_SHARED: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


def build_clip(clip: Mapping | FrozenCLIP | FeatureCLIP
               ) -> FrozenCLIP | FeatureCLIP:
    """Build a frozen CLIP. Equal configs share one instance, so all models of
    a process that use it are on one device.

    Args:
        clip (Mapping | FrozenCLIP | FeatureCLIP): An instance is returned
            as it is. A ``type`` is one that is registered, see
            ``FeatureCLIP``; in other configs, ``name`` is an open_clip
            architecture, ``hf-hub:ORG/NAME``, ``local-dir:FOLDER`` or
            ``builtin:demo_clip``; ``pretrained`` is an open_clip tag, or a
            file of weights: an OpenAI archive, open_clip's, MMPretrain's, or
            Hugging Face's (or its folder), or ``'random'`` for random
            weights that are the same in every run; a name with a scheme
            needs none; ``precision`` is ``'fp32'``
            (default), ``'fp16'`` or ``'bf16'`` for the frozen weights, or
            ``'pure_fp16'``, where what is learned is kept in fp16 as well.

    Raises:
        DeptError: If the config has an unknown key, name, tag or precision,
            there are no weights, or they do not fit the architecture.
    """
    if isinstance(clip, (FrozenCLIP, FeatureCLIP)):
        return clip
    if 'type' in clip:
        return MODELS.build(dict(clip))
    unknown = sorted(set(clip) - {'name', 'pretrained', 'precision'})
    if unknown:
        raise DeptError(f'Unknown keys in the CLIP config: {unknown}.')
    precision = usable_precision(clip)
    key = json.dumps([model_name(clip), clip.get('pretrained'), precision])
    if key not in _SHARED:
        model, digest = _load(clip), None
        if precision != 'fp32':
            digest = weights_digest(model)
            model = _cast(clip, model, precision)
        frozen = FrozenCLIP(model, _tokenizer(clip), clip_spec(clip),
                            clip['name'], precision, digest)
        _SHARED[key] = frozen
        return frozen  # the local name keeps the weak entry alive
    return _SHARED[key]


def usable_precision(clip: Mapping) -> str:
    """Return the precision of a CLIP config, or fp32 without a GPU.

    fp16 on a CPU is slow and lacks operations, so it falls back to fp32 and
    says so.
    """
    precision = clip.get('precision', 'fp32')
    if precision not in PRECISIONS:
        raise DeptError(f'Unknown CLIP precision {precision!r}; choose one '
                        f'of {PRECISIONS}.')
    if 'fp16' in precision and not has_gpu():
        print_log(f'CLIP precision {precision!r} needs a GPU; this machine '
                  "has none, so 'fp32' is used instead.",
                  logger='current', level=30)
        return 'fp32'
    return precision


def has_gpu() -> bool:
    """Tell whether there is a GPU, without which fp16 is of no use."""
    return torch.cuda.is_available()


def learned_dtype(clip: Mapping) -> torch.dtype:
    """Return the dtype of learned parameters without building the CLIP."""
    return dtype_beside(usable_precision(clip))


def _create(clip: Mapping, precision: str, **weights) -> nn.Module:
    """Create an open_clip model whose text tower is a module of its own.

    It starts from random weights that agree between the ranks of a run, and
    leaves the random state alone: what is learned starts from the run's seed
    whichever CLIP stands beside it, and however it came here.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(RANDOM_SEED)
        return open_clip.create_model(
            model_name(clip), precision=precision, force_custom_text=True,
            pretrained_text=False, **weights)


def _load(clip: Mapping) -> nn.Module:
    """Build the fp32 model with its weights."""
    architecture(clip)  # an unknown name is reported before anything else
    pretrained = clip.get('pretrained')
    try:
        if pretrained == RANDOM:
            return _create(clip, 'fp32', load_weights=False)
        if path := weights_path(clip):
            model = _create(clip, 'fp32', load_weights=False)
            _load_path(model, clip, path)
            return model
        if ':' in model_name(clip):  # the place itself holds the weights
            pretrained = None
        return _create(clip, 'fp32', pretrained=pretrained,
                       require_pretrained=True)
    except DeptError:
        raise
    except Exception as error:  # whatever a file from anybody leads to
        raise DeptError(
            f'CLIP {clip["name"]!r} with pretrained={pretrained!r} cannot be '
            f'loaded: {error} (pretrained={RANDOM!r} gives random weights.)'
        ) from error


def _tokenizer(clip: Mapping):
    """Build the CLIP's tokenizer."""
    try:
        return open_clip.get_tokenizer(model_name(clip))
    except ImportError as error:
        raise DeptError(f'The tokenizer of CLIP {clip["name"]!r} needs '
                        f'another package: {error}. Try pip install '
                        'transformers sentencepiece.') from error


def _cast(clip: Mapping, model: nn.Module, precision: str) -> nn.Module:
    """Convert a model to low precision, except its LayerNorms."""
    low = _create(clip, precision.removeprefix('pure_'), load_weights=False)
    low.load_state_dict(model.state_dict())
    return low


def _load_path(model: nn.Module, clip: Mapping, path: Path) -> None:
    """Load weights from a file or folder of any known layout."""
    if _is_torchscript(path):
        _load_torchscript(model, path)
    elif not load_foreign(model, clip, path):
        open_clip.load_checkpoint(model, str(path))


def _is_torchscript(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive, as OpenAI publishes CLIP.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(n.endswith('/constants.pkl') for n in archive.namelist())


def _load_torchscript(model: nn.Module, path: Path) -> None:
    """Load an OpenAI archive; ``torch.load`` refuses these files."""
    state = torch.jit.load(path, map_location='cpu').state_dict()
    for scalar in ('input_resolution', 'context_length', 'vocab_size'):
        state.pop(scalar, None)
    model.load_state_dict(
        open_clip.model.convert_to_custom_text_state_dict(state))
