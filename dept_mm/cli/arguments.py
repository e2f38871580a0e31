"""Command line options that several tools share."""
import argparse
import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from torch.distributed import DistError

from dept_mm.cli.values import parse_value
from dept_mm.config import (
    CHOICES,
    apply_options,
    check_config,
    read_config,
    set_seed_options,
)
from dept_mm.config.choices import variable
from dept_mm.errors import DeptError

# Package -> the backend of MMEngine that logs to it.
VISUALISERS = dict(tensorboard='TensorboardVisBackend',
                   wandb='WandbVisBackend', mlflow='MLflowVisBackend')


class OptionsAction(DictAction):
    """Parse MMEngine's ``KEY=VALUE``, with dicts as values, and report faults
    as a ``DeptError``."""

    @staticmethod
    def _parse_iterable(val: str):
        return parse_value(val, DictAction._parse_iterable)

    def __call__(self, parser, namespace, values, option_string=None):
        try:
            super().__call__(parser, namespace, values, option_string)
        # It asserts, or cannot split.
        except (ValueError, AssertionError, RecursionError) as error:
            raise DeptError(f'{option_string} {" ".join(values)[:200]}: '
                            f'{str(error)[:200]}. Write KEY=VALUE, lists as '
                            'KEY="[A,B]" and dicts as KEY="dict(a=1)".'
                            ) from error


def common_parser(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options of both training and testing."""
    parser = argparse.ArgumentParser(description=description)
    add_config_options(parser)
    parser.add_argument(
        '--work-dir',
        help="folder of logs and results (default: the config's own, else "
        './work_dirs/CONFIG_NAME)')
    parser.add_argument(
        '--seed', type=int, help='seed of the run and of the few-shot draw')
    parser.add_argument(
        '--amp', action='store_true', help='use automatic mixed precision')
    parser.add_argument(
        '--no-pin-memory',
        action='store_true',
        help='do not pin the memory of the data loaders')
    parser.add_argument(
        '--feature-dir',
        default='work_dirs/features',
        help='folder of --cache-features (default: %(default)s)')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes')
    # torch.distributed.launch passes the rank as an option.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0,
        help=argparse.SUPPRESS)
    return parser


def add_config_options(parser: argparse.ArgumentParser,
                       name: str = 'config') -> None:
    """Add the options that name a config and change it."""
    required = dict(required=True) if name.startswith('-') else {}
    parser.add_argument(name, help='config file', **required)
    add_choice_options(parser)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        metavar='KEY=VALUE',
        help='change the config; `clip.*` and `dataset.*` reach every place '
        'that refers to them. Lists: key="[a,b]" or key=a,b. Dicts: '
        'key="dict(type=\'A\')"')


def add_choice_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each of ``CHOICES``."""
    for kind, example in (('dataset', 'flowers102'),
                          ('protocol', 'few_shot_16shot'), ('clip', 'demo'),
                          ('recipe', 'dept_paper_10e')):
        parser.add_argument(
            f'--{kind}',
            metavar='NAME',
            help=f"another {kind} than the config's: a file of "
            f'configs/_base_/{CHOICES[kind]}, e.g. {example}, or the path of '
            'one')


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Add the trained model that a tool uses; ``dept_mm.load`` reads it."""
    parser.add_argument(
        'model', metavar='MODEL', help='an adapter (.safetensors), a '
        'checkpoint with its config beside it, the work dir of a run, or the '
        'name of a model with weights')


def refuse_options(args: argparse.Namespace,
                   actions: Sequence[argparse.Action], kind: str) -> None:
    """Refuse options that a model of this kind does not have.

    Raises:
        DeptError: If one of them is given.
    """
    given = [action.option_strings[0] for action in actions
             if getattr(args, action.dest) != action.default]
    if given:
        raise DeptError(f'{", ".join(given)} cannot be given with a {kind}.')


def load_config(args: argparse.Namespace) -> Config:
    """Load the config and apply the options of :func:`common_parser`.

    Raises:
        DeptError: If a config file does not exist, or an option does not fit
            or is read by nothing.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, **{k: getattr(args, k) for k in CHOICES})
    if args.seed is not None:
        set_seed_options(cfg, args.seed)
    apply_options(cfg, args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        # What the config's name says of these parts is no longer so.
        parts = [args.config, *(
            cfg.env_variables[variable(kind)] for kind in CHOICES
            if variable(kind) in cfg.env_variables)]
        cfg.work_dir = os.path.join(
            './work_dirs', '-on-'.join(Path(part).stem for part in parts))
    check_config(cfg)
    return cfg


def set_loader_defaults(cfg: Config,
                        names: Iterable[str],
                        pin_memory: bool = True,
                        persistent_workers: bool = True) -> None:
    """Fill in what MMPretrain's configs leave out of data loaders.

    Args:
        cfg (Config): The config, changed in place.
        names (Iterable[str]): Keys of data loaders; absent ones are skipped.
        pin_memory (bool): False switches it off whatever the config says.
            Defaults to True.
        persistent_workers (bool): False ends the workers after each epoch.
            Defaults to True.
    """
    for name in names:
        loader = cfg.get(name)
        if loader is None:
            continue
        loader.setdefault('collate_fn', dict(type='default_collate'))
        loader.setdefault('pin_memory', torch.cuda.is_available())
        loader.setdefault('persistent_workers', True)
        loader.pin_memory = loader.pin_memory and pin_memory
        # torch refuses persistent workers where there are no workers.
        loader.persistent_workers = (
            loader.persistent_workers and persistent_workers
            and loader.get('num_workers', 0) > 0)


def cache_features(cfg: Config, root: str, views: int | None = None) -> None:
    """Let a run read image features from a store; see FeatureStoreHook."""
    hook = dict(type='FeatureStoreHook', root=root, views=views)
    others = [h for h in cfg.get('custom_hooks') or []
              if h.get('type') != hook['type']]
    cfg.custom_hooks = [*others, hook]


def log_to(cfg: Config, packages: Iterable[str]) -> None:
    """Let a run log to further visualisers of MMEngine.

    Args:
        cfg (Config): The config, changed in place.
        packages (Iterable[str]): Keys of ``VISUALISERS``.

    Raises:
        DeptError: If a package is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise DeptError(f'--log {package}: the package is not installed: '
                            f'pip install {package}')
    cfg.visualizer = dict(cfg.get('visualizer') or dict(type='Visualizer'))
    local = [dict(type='LocalVisBackend')]
    cfg.visualizer.vis_backends = [
        *(cfg.visualizer.get('vis_backends') or local),
        *(dict(type=VISUALISERS[package]) for package in packages)]


@contextmanager
def user_errors() -> Iterator[None]:
    """Print errors that the user can mend as one line, without a traceback."""
    try:
        yield
    except DeptError as error:
        # torch puts the traceback of a loader's worker into the message.
        text = re.split(r'\ndept_mm\.errors\.\w+: ', str(error))[-1]
        sys.exit(f'error: {text.strip()}')
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS,
                               errno.EFBIG):
            raise
        limit = (' There is a limit on the size of files: see ulimit -f.'
                 if error.errno == errno.EFBIG else '')
        sys.exit(f'error: {error}.{limit} Make room there, or give another '
                 'folder with --work-dir; a run that has saved a checkpoint '
                 'goes on with --resume.')
    except RuntimeError as error:
        # What loaders' workers send is a file in memory to the system.
        if found := re.search('unable to resize file .*', str(error)):
            sys.exit(f'error: {found[0]}. The workers of data loaders share '
                     'batches as files in memory (/dev/shm), which are '
                     'limited by the room there and by ulimit -f. Raise the '
                     'limit, or load without workers: --cfg-options '
                     'train_dataloader.num_workers=0 '
                     'val_dataloader.num_workers=0 '
                     'test_dataloader.num_workers=0.')
        # gloo has no error type of its own.
        if not isinstance(error, DistError) and 'gloo' not in str(error):
            raise
        sys.exit('error: another process of this run is gone or no longer '
                 'answers, so this one ends, too. What that one said last '
                 'tells why; it may have been killed for want of memory. A '
                 'run that has saved a checkpoint goes on with --resume. '
                 f'({error})')
