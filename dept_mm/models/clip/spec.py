"""Look up sizes and preprocessing of a CLIP without building it."""
from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import open_clip
from open_clip.factory import _get_hf_config, get_model_config
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from dept_mm.errors import DeptError
from dept_mm.registry import MODELS

ASSETS = Path(__file__).parents[2] / 'assets'


@dataclass(frozen=True)
class CLIPSpec:
    """Sizes and preprocessing of a CLIP.

    Attributes:
        embed_dim (int): Width of the joint space.
        image_size (int): Side of the square input, in pixels.
        mean, std (tuple[float]): Of RGB channels in 0..1.
        interpolation (str): How images are resized.
        resize_mode (str): ``'shortest'`` side to the image size, or
            ``'squash'`` both.
    """
    embed_dim: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    resize_mode: str = 'shortest'


def model_name(clip: Mapping) -> str:
    """Return the name that open_clip understands.

    ``builtin:X`` is a CLIP that this package carries in ``assets/X``; its
    place depends on where the package is installed, so configs cannot write
    it as ``local-dir:``.
    """
    name = clip.get('name')
    if not name:
        raise DeptError("The CLIP config has no 'name', e.g. "
                        "dict(name='ViT-B-16-quickgelu', "
                        "pretrained='openai').")
    if not name.startswith('builtin:'):
        return name
    folder = ASSETS / name.removeprefix('builtin:')
    if not folder.is_dir():
        known = sorted(p.name for p in ASSETS.iterdir() if p.is_dir())
        raise DeptError(f'Unknown CLIP {name!r}; this package carries '
                        f'{known}.')
    return f'local-dir:{folder}'


def weights_path(clip: Mapping) -> Path | None:
    """Return the file or folder that ``pretrained`` names, unless it is a tag.
    """
    pretrained = clip.get('pretrained')
    if not pretrained or get_pretrained_cfg(model_name(clip), pretrained):
        return None
    path = Path(pretrained).expanduser()
    return path if path.exists() else None


def architecture(clip: Mapping) -> dict:
    """Return open_clip's architecture config of a CLIP.

    Raises:
        DeptError: If open_clip does not know the name, or the
            ``open_clip_config.json`` of a folder or of the Hub cannot be
            read.
    """
    name = model_name(clip)
    try:
        found = get_model_config(name)
    except (OSError, ValueError) as error:
        raise DeptError(f'CLIP {name!r}: its open_clip_config.json cannot be '
                        f'read: {error}') from error
    if found is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), 5)
        raise DeptError(f'Unknown CLIP {name!r}. '
                        f'{f"Did you mean one of {near}? " if near else ""}'
                        'open_clip.list_models() names all.')
    return found


def clip_spec(clip: Mapping) -> CLIPSpec:
    """Look up what transforms and heads need to know about a CLIP.

    Args:
        clip (Mapping): ``name`` and, for names without a scheme,
            ``pretrained``, as in ``PromptedCLIP``; or a ``type`` that is
            registered, such as ``'features'``.

    Raises:
        DeptError: If the CLIP is unknown, or its input is not square.
    """
    if 'type' in clip:
        options = {k: v for k, v in clip.items() if k != 'type'}
        return MODELS.get(clip['type']).read_spec(**options)
    return _spec(clip.get('name'), clip.get('pretrained'))


# Transforms, preprocessor and head all ask, and a CLIP on the Hub answers over
# the network.
@cache
def _spec(name: str | None, pretrained: str | None) -> CLIPSpec:
    clip = dict(name=name, pretrained=pretrained)
    config = architecture(clip)
    preprocess = PreprocessCfg(**_preprocess(clip))
    size = config['vision_cfg'].get('image_size', 224)
    if not isinstance(size, int):
        if len(set(size)) != 1:
            raise DeptError(f'CLIP {name!r} takes images of '
                            f'{tuple(size)}; only square inputs work here.')
        size = size[0]
    return CLIPSpec(config['embed_dim'], size, tuple(preprocess.mean),
                    tuple(preprocess.std), preprocess.interpolation,
                    preprocess.resize_mode)


def _preprocess(clip: Mapping) -> dict:
    """Return open_clip's preprocessing settings with their defaults filled in.
    """
    name = model_name(clip)
    scheme, _, place = name.partition(':')
    if scheme == 'local-dir':
        text = (Path(place) / 'open_clip_config.json').read_text('utf-8')
        own = json.loads(text).get('preprocess_cfg', {})
    elif scheme == 'hf-hub':
        own = _get_hf_config(place).get('preprocess_cfg', {})
    else:
        own = get_pretrained_cfg(name, clip.get('pretrained') or '')
        if path := weights_path(clip):
            own = _hugging_face(path)
    return merge_preprocess_dict(asdict(PreprocessCfg()), own)


def _hugging_face(path: Path) -> dict:
    """Return the preprocessing settings of a Hugging Face file, if it has any.
    """
    folder = path if path.is_dir() else path.parent
    path = folder / 'preprocessor_config.json'
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text('utf-8'))
        bilinear = found.get('resample') == 2  # as PIL counts
        return dict(mean=found['image_mean'], std=found['image_std'],
                    interpolation='bilinear' if bilinear else 'bicubic')
    except (ValueError, AttributeError, KeyError) as error:
        raise DeptError(f'{path} does not say how images are normalised: '
                        f'{error!r}.') from error
