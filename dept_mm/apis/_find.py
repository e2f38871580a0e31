"""Find the files of a trained model."""
from __future__ import annotations

from pathlib import Path

from dept_mm.engine.checkpoint_files import list_checkpoints
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.evaluation.results import FILE
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.zoo import find_zoo_adapter


def find_model(model: str | Path) -> tuple[Path | None, Path]:
    """Find the config and the weights of a trained model.

    Args:
        model (str | Path): An adapter, a checkpoint with its config beside
            it, the work dir of a run (of which the chosen epoch is taken, else
            the last one), or the name of a model in the zoo.

    Returns:
        tuple[Path | None, Path]: The config, None for an adapter, which needs
        none, and the checkpoint or adapter.

    Raises:
        DeptError: If there is none, or it is not clear which.
    """
    if Path(model).suffix == '.py':
        raise DeptError(f'{model} is a config: load needs a checkpoint beside '
                        f'it, or an adapter ({SUFFIX}) alone; build(config) '
                        'makes a model that is not trained.')
    path = find_weights(model)
    return None if path.suffix == SUFFIX else _find_config(path), path


def find_weights(model: str | Path) -> Path:
    """Find the adapter or the checkpoint of a trained model.

    Args:
        model (str | Path): See ``find_model``.

    Raises:
        DeptError: If there is none.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if (path / FILE).is_file() and (
                chosen := read_result(path).get('selection')):
            return path / chosen['checkpoint']
        found = list_checkpoints(path)
        if not found:
            raise DeptError(f'The folder {path} has no checkpoint of a '
                            'training run.')
        return found[0]
    if path.is_file() or path.suffix in ('.pth', SUFFIX):
        return path
    return find_zoo_adapter(str(model))


def _find_config(checkpoint: Path) -> Path:
    """Find the config that a run has left beside its checkpoints."""
    if not checkpoint.is_file():
        raise DeptError(f'{checkpoint} cannot be read: there is no such file.')
    found = sorted(checkpoint.parent.glob('*.py'))
    if len(found) != 1:
        what = ('no config' if not found else
                f'more than one config ({", ".join(p.name for p in found)})')
        raise DeptError(
            f'There is {what} beside {checkpoint}. Give the one it was '
            'trained with, load(CONFIG, CHECKPOINT), or make an adapter, '
            'which needs none, by tools/publish_model.py.')
    return found[0]
