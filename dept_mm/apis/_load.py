"""Load a trained model."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict

from dept_mm.apis._build import build
from dept_mm.apis._find import find_model, find_weights
from dept_mm.apis.tuned_model import TunedModel
from dept_mm.errors import DeptError
from dept_mm.exchange import (
    load_adapter,
    load_from_adapter_file,
    read_adapter,
)
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.adapter_writer import is_text_state
from dept_mm.exchange.publish import read_checkpoint

if TYPE_CHECKING:
    from dept_mm.language.use import TunedTextModel


def load(model: str | Path | Config, checkpoint: str | Path | None = None, *,
         dataset: str | None = None, protocol: str | None = None,
         seed: int | None = None, options: Mapping | None = None,
         clip: Mapping | None = None, lm: str | Mapping | None = None,
         device: str = 'cpu') -> TunedModel | TunedTextModel:
    """Load a trained model: from itself, or from a config and a file.

    Args:
        model (str | Path | Config): An adapter, which is a ``.safetensors``
            file that knows how its model is made; a checkpoint with its
            config beside it; the work dir of a run, of which the epoch that
            ``select`` chose is taken, else the last one; the name of a model
            in the zoo; or a config.
        checkpoint (str | Path, optional): With a config, a checkpoint of a
            run with it, its work dir, an adapter, or a name in the zoo.
        dataset, protocol, seed, options: See ``build``; with a config.
        clip (Mapping, optional): With an adapter alone, the CLIP, where the
            file names none that is known everywhere.
        lm (str | Mapping, optional): With an adapter of a language model
            alone, this model, where the file gives a place instead of a name.
        device (str): Defaults to the CPU.

    Returns:
        TunedModel | TunedTextModel: The latter for a language model.

    Raises:
        DeptError: If a file is missing, damaged or for another model.

    Examples:
        >>> model = dept_mm.load('mine.safetensors')
        >>> model.predict('photo.jpg', k=1)[0].name
        'cat'
    """
    changes = dict(dataset=dataset, protocol=protocol, seed=seed,
                   options=options)
    if checkpoint is None:
        if isinstance(model, Config):
            raise DeptError('load needs a checkpoint beside a config; '
                            'build(config) makes a model that is not trained.')
        model, checkpoint = find_model(model)
    if model is None:
        _refuse('a config', changes)
        return _load_alone(checkpoint, clip, lm, device)
    _refuse('an adapter alone', dict(clip=clip, lm=lm))
    checkpoint = find_weights(checkpoint)
    read = (load_from_adapter_file if checkpoint.suffix == SUFFIX
            else read_checkpoint)
    found = read(str(checkpoint))
    module = build(model, **changes)
    try:
        load_state_dict(module, found['state_dict'], strict=True)
    except RuntimeError as error:
        raise DeptError(f'{checkpoint} does not fit the config: '
                        f'{str(error)[:500]}') from error
    if is_text_state(found['state_dict']):
        from dept_mm.language.use import TunedTextModel
        return TunedTextModel(module.to(device), module._config)
    meta = found.get('meta', {})
    module._dataset_meta = meta.get('dataset_meta', {})
    return TunedModel(module.to(device), module._config,
                      **meta.get('calibration', {}))


def _load_alone(path: Path, clip: Mapping | None, lm: str | Mapping | None,
                device: str) -> TunedModel | TunedTextModel:
    """Load an adapter without a config."""
    file = read_adapter(path)
    if file.is_text:
        from dept_mm.language.use import TunedTextModel, load_text_adapter
        _refuse('an adapter of a CLIP', dict(clip=clip))
        return TunedTextModel(load_text_adapter(file, lm, device))
    _refuse('an adapter of a language model', dict(lm=lm))
    module = load_adapter(file, clip=clip, device=device)
    return TunedModel(module, module._config, **file.calibration)


def load_classifier(model: str | Path | Config, *args, **options
                    ) -> TunedModel:
    """Load a trained model of images; see :func:`load`.

    Raises:
        DeptError: As by :func:`load`, or if it is a language model.
    """
    found = load(model, *args, **options)
    if not isinstance(found, TunedModel):
        raise DeptError('This is for models of images, but here is a language '
                        'model.')
    return found


def _refuse(place: str, options: Mapping) -> None:
    """Refuse options that have no meaning here."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise DeptError(f'load: {", ".join(given)} can be given with {place}.')
