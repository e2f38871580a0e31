"""A model from an adapter file alone."""
from __future__ import annotations

import re
from collections import Counter
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

# Of MMPretrain, what a file may name. A registry builds whatever Python
# object a `type` with dots names, so that no other is let through.
STOCK = ('ImageClassifier', 'ClsDataPreprocessor', 'LinearClsHead',
         'CrossEntropyLoss', 'LabelSmoothLoss')
PARTS = ('backbone', 'neck', 'head')
MAX_NUMBER = 1 << 20  # beyond every width and count; saves the memory


def load_adapter(path: str | Path,
                 class_names: Sequence[str] | Vocabulary | None = None,
                 clip: Mapping | None = None,
                 device: str | None = None) -> ImageClassifier:
    """Build the model of an adapter, ready to classify.

    Neither its config nor its data set is needed. The CLIP is loaded as
    named in the file and must have the same weights. Only modules of this
    package, and those it is used with, are built: a file cannot name others.

    Args:
        path (str | Path): The adapter.
        class_names (Sequence[str] | Vocabulary, optional): The classes to
            score, known or new. A name it was trained on stands for that
            class. Defaults to those it was trained on.
        clip (Mapping, optional): Config of the CLIP. Needed where the file
            names a place, such as a folder or a repository of the Hub.
        device (str, optional): Defaults to the CPU.

    Returns:
        ImageClassifier: In eval mode. ``ImageClassificationInferencer``
        takes it, and ``model.backbone.set_vocabulary`` changes the classes.

    Raises:
        DeptError: If the file is damaged, names something unsafe, is for
            another CLIP, or cannot know other classes.
    """
    file = read_adapter(path)
    config = rebuilt_config(file, clip)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        try:
            model = MODELS.build(config)
            load_state_dict(model, file.state_dict, strict=True)
        except DeptError:
            raise
        # Whatever a file from anybody leads to.
        except Exception as error:
            raise DeptError(f'{path}: its recipe and its tensors make no '
                            f'model: {str(error)[:500]}') from error
    known = file.vocabulary
    if class_names is not None:
        known = _named(class_names, known)
        if model.backbone.vocabulary is None:
            raise DeptError(f'{path} holds a model without a text tower; it '
                            'cannot score other classes.')
        model.backbone.set_vocabulary(known)
    model._dataset_meta = dict(classes=known.names)
    model._config = _inference_config(config['backbone']['clip'])
    return model.to(device or 'cpu').eval()


def rebuilt_config(file: AdapterFile, clip: Mapping | None = None) -> dict:
    """The model's config from the recipe, its references resolved.

    Args:
        file (AdapterFile): The adapter.
        clip (Mapping, optional): In place of the CLIP it names.
    """
    recipe, path = file.header['recipe'], file.path
    model = recipe.get('model')
    if not isinstance(model, dict) or not isinstance(
            model.get('backbone'), dict):
        raise DeptError(f'{path}: its recipe has no model. Load it with a '
                        'config: get_model(CONFIG, pretrained=FILE).')
    clip = dict(clip or _known_clip(file, model['backbone'].get('clip')))
    found = dict(type='ImageClassifier')
    for part in PARTS:
        if model.get(part):
            fill = dict(clip=clip, vocabulary=_vocabulary_of(file, part))
            found[part] = _checked(model[part], fill, path)
    preprocessor = model.get('data_preprocessor') or recipe.get(
        'data_preprocessor') or dict(type='CLIPDataPreprocessor', clip=clip)
    found['data_preprocessor'] = _checked(preprocessor, dict(clip=clip), path)
    return found


def _known_clip(file: AdapterFile, clip: Mapping | None) -> dict:
    """The CLIP of the recipe, if the name says all.

    Raises:
        DeptError: If it is a place; a stranger's file decides neither what
            is downloaded nor what is read from this disk.
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
        'same CLIP elsewhere, give clip=dict(name=..., pretrained=...).')


def _vocabulary_of(file: AdapterFile, part: str) -> dict:
    """The vocabulary with which a part gets the rows its tensors have."""
    known = file.vocabulary.to_dict()
    classes = file.header['modules'].get(part, {}).get('classes')
    if classes is None:
        return known
    if set(classes) <= set(known['ids']):
        return known | dict(base=classes)
    return dict(names=classes)


def _checked(node, fill: Mapping, path: Path):
    """A part of the recipe with ``fill`` in it, if all of it is harmless."""
    if isinstance(node, list):
        return [_checked(item, fill, path) for item in node]
    if isinstance(node, (int, float)) and abs(node) > MAX_NUMBER:
        raise DeptError(f'{path}: its recipe has the number {node:.3g}.')
    if not isinstance(node, dict):
        return node
    kind = node.get('type')
    if 'type' in node and not _is_safe(kind):
        raise DeptError(
            f'{path}: its recipe asks for {kind!r:.200}, which is no module '
            'of this package. If you trust it, load it with a config of your '
            'own: get_model(CONFIG, pretrained=FILE).')
    found = {key: _checked(value, fill, path) for key, value in node.items()
             # Initial weights are replaced.
             if key not in fill and key != 'init_cfg'}
    for key in fill.keys() & node.keys():
        same = key == 'clip' and isinstance(node[key], dict)
        options = {k: v for k, v in node[key].items() if k == 'precision'
                   } if same else {}
        found[key] = node[key] and options | fill[key]
    return found


def _is_safe(kind) -> bool:
    """Whether a ``type`` names a module of this package."""
    if not isinstance(kind, str):
        return False
    found = MODELS.module_dict.get(kind)
    return kind in STOCK or getattr(
        found, '__module__', '').startswith('dept_mm.models.')


def _named(names: Sequence[str] | Vocabulary, known: Vocabulary
           ) -> Vocabulary:
    """The classes to score; names that are known keep their identity."""
    if isinstance(names, Vocabulary):
        return names
    if isinstance(names, str):
        raise DeptError(f'class_names is {names!r}; give a list of names.')
    count = Counter(known.names)
    ids = {name: key for name, key in zip(known.names, known.ids, strict=True)
           if count[name] == 1}
    return Vocabulary(tuple(names), templates=known.templates,
                      ids=tuple(ids.get(name, name) for name in names))


def _inference_config(clip: dict) -> Config:
    """What MMPretrain's inferencer reads: the pipeline of test images."""
    pipeline = [dict(type='LoadRGBImage'),
                dict(type='CLIPResizeCenterCrop', clip=clip),
                dict(type='PackInputs')]
    return Config(dict(test_dataloader=dict(
        dataset=dict(pipeline=pipeline))))
