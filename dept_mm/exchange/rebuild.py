"""Building a model from an adapter file alone, without a config."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import open_clip
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.models import ImageClassifier

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import AdapterFile, read_adapter
from dept_mm.registry import MODELS
from dept_mm.structures import Vocabulary

# Modules of MMPretrain that a file may name. A registry builds any Python
# object that a `type` with dots names, so every other name is refused.
STOCK = ('ImageClassifier', 'ClsDataPreprocessor', 'LinearClsHead',
         'CrossEntropyLoss', 'LabelSmoothLoss')
PARTS = ('backbone', 'neck', 'head')
# Larger than any width or count; a larger number could exhaust the memory.
MAX_NUMBER = 1 << 20


def load_adapter(file: str | Path | AdapterFile,
                 class_names: Sequence[str] | Vocabulary | None = None,
                 clip: Mapping | None = None,
                 device: str | None = None) -> ImageClassifier:
    """Build the model of an adapter, ready to classify.

    It needs neither the config nor the data set of the training. The CLIP is
    loaded by the name in the file and must have the same weights. Only modules
    of this package and a few of MMPretrain are built; a file that names any
    other is refused.

    Args:
        file (str | Path | AdapterFile): The adapter.
        class_names (Sequence[str] | Vocabulary, optional): The classes to
            score, known or new. A name that the model was trained on stands
            for that class. Defaults to the classes it was trained on.
        clip (Mapping, optional): Config of the CLIP. Needed if the file gives
            a location of the CLIP, such as a folder or a repository of the
            Hub, instead of a known name.
        device (str, optional): Where to put the model. Defaults to the CPU.

    Returns:
        ImageClassifier: The model in eval mode.
        ``ImageClassificationInferencer`` accepts it, and
        ``model.backbone.set_vocabulary`` changes the classes.

    Raises:
        DeptError: If the file is damaged, names something unsafe, belongs to
            another CLIP, or holds a model that cannot score other classes.
    """
    if not isinstance(file, AdapterFile):
        file = read_adapter(file)
    path = file.path
    config = build_model_config(file, clip)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        try:
            model = MODELS.build(config)
            load_state_dict(model, file.state_dict, strict=True)
        except DeptError:
            raise
        # A file from a stranger may lead to any error.
        except Exception as error:
            raise DeptError(f'{path}: no model can be built from its recipe '
                            f'and its tensors: {str(error)[:500]}') from error
    known = file.vocabulary
    if class_names is not None:
        if not isinstance(class_names, Vocabulary):
            class_names = known.with_names(class_names)
        known = class_names
        if model.backbone.vocabulary is None:
            raise DeptError(f'{path} holds a model without a text tower; it '
                            'cannot score other classes.')
        model.backbone.set_vocabulary(known)
    model._dataset_meta = dict(classes=known.names)
    model._config = _build_inference_config(config['backbone']['clip'])
    return model.to(device or 'cpu').eval()


def build_model_config(file: AdapterFile, clip: Mapping | None = None) -> dict:
    """Build the model's config from the recipe and fill in its references.

    Args:
        file (AdapterFile): The adapter.
        clip (Mapping, optional): Config of a CLIP to use instead of the one it
            names.

    Returns:
        dict: A config that ``MODELS.build`` accepts.

    Raises:
        DeptError: If the recipe has no model, or if it names something unsafe.
    """
    file.vocabulary  # noqa: B018  raises where there is none
    recipe, path = file.header['recipe'], file.path
    model = recipe.get('model')
    if not isinstance(model, dict) or not isinstance(
            model.get('backbone'), dict):
        raise DeptError(f'{path}: its recipe has no model. Load it with a '
                        'config: get_model(CONFIG, pretrained=FILE).')
    clip = dict(clip or _require_known_clip(
        file, model['backbone'].get('clip')))
    found = dict(type='ImageClassifier')
    for part in PARTS:
        if model.get(part):
            fill = dict(clip=clip, vocabulary=_choose_vocabulary(file, part))
            found[part] = _check_and_fill(model[part], fill, path)
    preprocessor = model.get('data_preprocessor') or recipe.get(
        'data_preprocessor') or dict(type='CLIPDataPreprocessor', clip=clip)
    found['data_preprocessor'] = _check_and_fill(
        preprocessor, dict(clip=clip), path)
    return found


def _require_known_clip(file: AdapterFile, clip: Mapping | None) -> dict:
    """Return the CLIP config of the recipe if its name is a known one.

    Raises:
        DeptError: If it is a location: a file from a stranger must not decide
            what is downloaded, nor what is read from this disk.
    """
    clip = clip if isinstance(clip, dict) else {}
    name, tag = str(clip.get('name')), clip.get('pretrained')
    builtin = re.fullmatch(r'builtin:\w+', name) and tag is None
    if builtin or (isinstance(tag, str)
                   and tag in open_clip.list_pretrained_tags_by_model(name)):
        return clip
    raise DeptError(
        f'{file.path} was made with CLIP {name!r:.200}, pretrained='
        f'{tag!r:.200}: a place, not a name. If you trust it, or have the '
        'same CLIP elsewhere, give clip=dict(name=..., pretrained=...), or '
        '--clip NAME --pretrained TAG.')


def _choose_vocabulary(file: AdapterFile, part: str) -> dict:
    """Choose the vocabulary that gives a part as many rows as its tensors."""
    known = file.vocabulary.to_dict()
    classes = file.header['modules'].get(part, {}).get('classes')
    if classes is None:
        return known
    if set(classes) <= set(known['ids']):
        return known | dict(base=classes)
    return dict(names=classes)


def _check_and_fill(node, fill: Mapping, path: Path):
    """Copy a part of the recipe with the values of ``fill``, if it is
    harmless.

    Raises:
        DeptError: If it names another class or a file, or has a huge
            number.
    """
    if isinstance(node, list):
        return [_check_and_fill(item, fill, path) for item in node]
    if not isinstance(node, dict):
        refuse_huge(node, path)
        return node
    kind = node.get('type')
    if 'type' in node and not _is_safe(kind):
        raise DeptError(
            f'{path}: its recipe asks for {kind!r:.200}, which is not a '
            'module of this package. If you trust it, load it with a config '
            'of your own: get_model(CONFIG, pretrained=FILE).')
    if isinstance(node.get('sentences'), str):
        raise DeptError(f'{path}: its recipe names a file of sentences on '
                        'this disk; an adapter holds them itself.')
    found = {key: _check_and_fill(value, fill, path)
             for key, value in node.items()
             # Initial weights would be replaced, nothing is taught, and
             # the pipeline makes no views to tune on.
             if key not in fill and key not in ('init_cfg', 'teacher', 'tpt')}
    for key in fill.keys() & node.keys():
        same = key == 'clip' and isinstance(node[key], dict)
        options = {k: v for k, v in node[key].items() if k == 'precision'
                   } if same else {}
        found[key] = node[key] and options | fill[key]
    return found


def refuse_huge(value, path: Path) -> None:
    """Refuse a number that could exhaust the memory."""
    if isinstance(value, (int, float)) and abs(value) > MAX_NUMBER:
        raise DeptError(f'{path}: its recipe has the number {value:.3g}, '
                        'which is too large.')


def is_module_of(kind, package: str) -> bool:
    """Return whether a ``type`` names a registered module of a package, such
    as ``'dept_mm.models.'``."""
    found = MODELS.module_dict.get(kind) if isinstance(kind, str) else None
    return getattr(found, '__module__', '').startswith(package)


def _is_safe(kind) -> bool:
    """Return whether a ``type`` names a module that may be built."""
    return (isinstance(kind, str) and kind in STOCK
            or is_module_of(kind, 'dept_mm.models.'))


def _build_inference_config(clip: dict) -> Config:
    """Build the config of the test pipeline for MMPretrain's inferencer."""
    pipeline = [dict(type='LoadRGBImage'),
                dict(type='CLIPResizeCenterCrop', clip=clip),
                dict(type='PackInputs')]
    return Config(dict(test_dataloader=dict(
        dataset=dict(pipeline=pipeline))))
