"""Zoos: folders of adapters whose models have a name.

``tools/make_release.py`` makes one. The zoo of this package is such a folder.
"""
from __future__ import annotations

from pathlib import Path

from mmpretrain.apis import ModelHub
from modelindex.load_model_index import load

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import SUFFIX

PACKAGE = Path(__file__).resolve().parents[1] / 'assets' / 'zoo'
INDEX = 'metafile.yml'


def register_zoo(folder: str | Path = PACKAGE) -> None:
    """Make the models of a zoo known by their names.

    ``load``, and MMPretrain's ``list_models`` and ``get_model``, then find
    them. Registering a zoo again does nothing.

    Args:
        folder (str | Path): A folder that ``tools/make_release.py`` has made.
            A config in it is read when a model is built by name: register
            only a folder whose author you trust. (``load`` trusts no adapter.)
            Defaults to the zoo of this package.

    Raises:
        DeptError: If it is no zoo, or one of its names is taken.
    """
    index = Path(folder).expanduser().resolve() / INDEX
    if not index.is_file():
        raise DeptError(f'{folder} has no {INDEX}: it is no zoo.')
    models = load(str(index))
    models.build_models_with_collections()
    found = {model.name.lower(): str(index.parent / model.weights)
             for model in models.models}
    known = ModelHub._models_dict
    taken = {name: known[name].weights for name in found if name in known}
    if taken == found:
        return
    if taken:
        raise DeptError(f'{index}: other models have the names '
                        f'{", ".join(taken)}. Give them others there.')
    ModelHub.register_model_index(index)
    for name, weights in found.items():
        known[name].weights = weights


def find_zoo_adapter(name: str) -> Path:
    """Find the adapter of a model of a zoo.

    Args:
        name (str): A name that ``mmpretrain.list_models`` lists.

    Raises:
        DeptError: If there is no such model, or it has no adapter, as those
            of MMPretrain.
    """
    found = ModelHub._models_dict.get(name.lower())
    if found is None or not (found.weights or '').endswith(SUFFIX):
        raise DeptError(
            f'{name!r} is neither an adapter (.safetensors), nor a checkpoint '
            '(.pth) with its config beside it, nor the work dir of a run, nor '
            'the name of a model with an adapter.')
    return Path(found.weights)
