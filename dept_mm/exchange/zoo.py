"""Models with weights that have a name."""
from __future__ import annotations

from pathlib import Path

from mmpretrain.apis import ModelHub

from dept_mm.errors import DeptError

# Metafiles name weights relative to the folder of the package.
ROOT = Path(__file__).resolve().parents[2]


def find_zoo_adapter(name: str) -> Path:
    """Find the adapter of a model of the model index.

    Args:
        name (str): A name that ``mmpretrain.list_models`` lists.

    Raises:
        DeptError: If there is no such model, or it has no weights.
    """
    if not ModelHub.has(name.lower()):
        raise DeptError(
            f'{name!r} is neither a file nor a folder nor the name of a '
            'model. Give an adapter (.safetensors), a checkpoint (.pth) with '
            'its config beside it, or the work dir of a run.')
    found = ModelHub.get(name)
    if not found.weights:
        raise DeptError(
            f'The model {name!r} has no weights here. Train it: python '
            f'tools/train.py {found.config.filename}')
    return ROOT / found.weights
