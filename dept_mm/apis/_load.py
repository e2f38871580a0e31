"""Load a trained model."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from dept_mm.apis._build import build
from dept_mm.errors import DeptError
from dept_mm.exchange import load_adapter, load_from_adapter_file
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.publish import read_checkpoint
from dept_mm.structures import Vocabulary


def load(config_or_adapter: str | Path | Config,
         checkpoint: str | Path | None = None, *,
         dataset: str | None = None, protocol: str | None = None,
         seed: int | None = None, options: Mapping | None = None,
         class_names: Sequence[str] | Vocabulary | None = None,
         clip: Mapping | None = None, device: str = 'cpu') -> nn.Module:
    """Load a trained model: from an adapter alone, or a config and a file.

    Args:
        config_or_adapter (str | Path | Config): An adapter, which is a
            ``.safetensors`` file that knows how its model is made; or a
            config.
        checkpoint (str | Path, optional): With a config, a checkpoint of a
            run with it, or an adapter.
        dataset, protocol, seed, options: See ``build``; with a config.
        class_names (Sequence[str] | Vocabulary, optional): With an adapter
            alone, the classes to score. Defaults to those of its training.
        clip (Mapping, optional): With an adapter alone, the CLIP, where the
            file names none that is known everywhere.
        device (str): Defaults to the CPU.

    Returns:
        nn.Module: In eval mode.

    Raises:
        DeptError: If a file is missing, damaged or for another model.
    """
    changes = dict(dataset=dataset, protocol=protocol, seed=seed,
                   options=options)
    if checkpoint is None:
        if not str(config_or_adapter).endswith(SUFFIX):
            raise DeptError('load needs a checkpoint beside a config, or an '
                            f'adapter ({SUFFIX}) alone; build(config) makes '
                            'a model that is not trained.')
        _refuse('a config', changes)
        return load_adapter(config_or_adapter, class_names, clip, device)
    _refuse('an adapter alone', dict(class_names=class_names, clip=clip))
    read = (load_from_adapter_file if str(checkpoint).endswith(SUFFIX)
            else read_checkpoint)
    found = read(str(checkpoint))
    model = build(config_or_adapter, **changes)
    try:
        load_state_dict(model, found['state_dict'], strict=True)
    except RuntimeError as error:
        raise DeptError(f'{checkpoint} does not fit the config: '
                        f'{str(error)[:500]}') from error
    model._dataset_meta = found.get('meta', {}).get('dataset_meta', {})
    return model.to(device)


def _refuse(place: str, options: Mapping) -> None:
    """Refuse options that have no meaning here."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise DeptError(f'load: {", ".join(given)} can be given with {place}.')
