"""Choose the data set, protocol, CLIP and recipe that a config leaves open.

Base files name each by a variable of the environment and a default, e.g.
``'{{$DEPT_DATASET:datasets/caltech101}}.py'``. MMEngine puts the variable's
value there if it is set, so ``DEPT_DATASET=datasets/pets`` in a shell chooses,
too.
"""
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from dept_mm.errors import DeptError

# What can be chosen -> its folder beside the base files that leave it open.
CHOICES = dict(dataset='datasets', protocol='protocols', clip='clip',
               recipe='schedules')
# The environment is that of all threads.
_LOCK = threading.RLock()


def read_config(path: str | Path, **choices: str | None) -> Config:
    """Read a config file, with other parts than its own where asked.

    Args:
        path (str | Path): The config file.
        **choices (str, optional): ``dataset``, ``protocol``, ``clip`` or
            ``recipe``: the name of a file in the folder of ``CHOICES``, or
            the path of any file that ends in '.py'. None is what the config
            says.

    Returns:
        Config: The config. Its ``env_variables`` are those that were used.

    Raises:
        DeptError: If a file does not exist, the config does not leave the
            choice open, or the chosen part does not fit into it.

    Examples:
        >>> cfg = read_config('configs/dept/quickstart.py', dataset='dtd')
        >>> cfg.dataset.name
        'dtd'
    """
    if not Path(path).is_file():
        raise DeptError(f'config file not found: {path}')
    chosen = {kind: name for kind, name in choices.items() if name}
    said = ' '.join(f'--{kind} {name}' for kind, name in chosen.items())
    try:
        with _environment({variable(kind): _value(kind, name)
                           for kind, name in chosen.items()}):
            cfg = Config.fromfile(path)
    except FileNotFoundError as error:
        raise DeptError(f'{said or path}: {_not_found(error)}') from error
    # A file lacks what its kind has to define, or defines too much.
    except (AttributeError, KeyError) as error:
        if not chosen:
            raise
        raise DeptError(f'{said}: does not fit into {path}: '
                        f'{error}') from error
    for kind, name in chosen.items():
        if variable(kind) not in cfg.env_variables:
            raise DeptError(
                f'--{kind} {name}: {path} does not leave its {kind} open. '
                "Write '{{$" f'{variable(kind)}:{CHOICES[kind]}/NAME' "}}.py' "
                'among its base files, as those in configs/_base_ do.')
    return cfg


def variable(kind: str) -> str:
    """Name the environment variable that belongs to a key of ``CHOICES``."""
    return f'DEPT_{kind.upper()}'


def _value(kind: str, name: str) -> str:
    """Return the path of a chosen file without its ending."""
    if not name.endswith('.py'):
        return f'{CHOICES[kind]}/{name}'
    if not Path(name).is_file():
        raise DeptError(f'--{kind} {name}: there is no such file.')
    return str(Path(name).resolve().with_suffix(''))


def _not_found(error: FileNotFoundError) -> str:
    """Describe which file is missing and which ones exist beside it."""
    # MMEngine names the file in quotes where it looked for it itself.
    path = Path(error.filename or (str(error).split('"') + [''])[1])
    known = sorted(p.stem for p in path.parent.glob('*.py'))
    return f'no file {path}. Known are {", ".join(known) or "none"}.'


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while, without a log line for each."""
    with _LOCK:
        before = {key: os.environ.get(key) for key in values}
        disabled = logging.root.manager.disable
        logging.disable(max(disabled, logging.INFO) if values else disabled)
        os.environ.update(values)
        try:
            yield
        finally:
            logging.disable(disabled)
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
