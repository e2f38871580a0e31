"""Read the rows of a data set through the library ``datasets``."""
from __future__ import annotations

from collections.abc import Mapping

from dept_mm.errors import DeptError

SPLITS = dict(train='train', val='validation', test='test')


def read_hub(path: str, split: str, name: str | None = None,
             splits: Mapping[str, str] | None = None
             ) -> list[tuple[str, Mapping]]:
    """Read the rows of a split, each with the name of its place.

    Args:
        path (str): The data set: a name on the Hub, or a folder.
        split (str): Our name of the split.
        name (str, optional): Its configuration.
        splits (Mapping, optional): The library's names of splits by our
            names. Defaults to ``SPLITS``.

    Raises:
        DeptError: If the library is missing or does not find the data set, or
            the task has no such split.
    """
    try:
        import datasets
    except ImportError as error:
        raise DeptError(
            "source='hub' needs the library datasets: pip install datasets, "
            "or take source='files' and put the published files into "
            'dataset.data_root.') from error
    splits = SPLITS if splits is None else splits
    if split not in splits:
        raise DeptError(f'{path} has no split {split!r}, only '
                        f'{sorted(splits)}.')
    where = '/'.join(filter(None, (path, name, splits[split])))
    try:
        found = datasets.load_dataset(path, name, split=splits[split])
    except (OSError, ValueError, RuntimeError) as error:
        raise DeptError(
            f'The library datasets cannot load {where}: {error}. Without a '
            "network, take source='files' and the published files.") from error
    return [(f'{where}, row {i}', row) for i, row in enumerate(found)]
