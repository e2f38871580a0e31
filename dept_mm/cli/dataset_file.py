"""Read the data set that a tool was given by name."""
from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from dept_mm.config import check_config
from dept_mm.errors import DeptError


def load_dataset_config(name: str, folder: Path, root: str | None = None
                        ) -> dict:
    """Load the config of a data set.

    Args:
        name (str): Name of a file in the folder, or the path of any file that
            ends in '.py' and defines ``dataset``.
        folder (Path): Where the known data sets are.
        root (str, optional): Folder that replaces its ``data_root``.

    Raises:
        DeptError: If there is no such config, or an option in it is wrong.
    """
    path = Path(name)
    if path.suffix != '.py':
        path = folder / f'{name}.py'
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob('*.py'))
        raise DeptError(f'{name!r} is neither a config file nor one of '
                        f'{known}.')
    dataset = Config.fromfile(path).get('dataset')
    if dataset is None:
        raise DeptError(f"{path} does not define 'dataset'.")
    cfg = dict(dataset, data_root=root) if root else dict(dataset)
    check_config(Config(dict(dataset=cfg, default_scope='mmpretrain')))
    return cfg
