"""Check that something reads each option of a config, before it is built."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS, DefaultScope, Registry
from mmengine.runner import Runner
from mmpretrain import registry as host
from torch.utils.data import DataLoader

from dept_mm.config._without_type import READERS, clip
from dept_mm.config.signature import Option, describe, fits, read_options
from dept_mm.errors import DeptError
from dept_mm.models.class_texts.teacher import Teacher
from dept_mm.models.class_texts.tpt import TPT

# Key at the top of a config -> where its `type` is looked up, and what is
# built without one.
TOP = dict(
    clip=(host.MODELS, clip), dataset=(host.DATASETS, None),
    targets=(host.DATASETS, None), model=(host.MODELS, None),
    default_hooks=(host.HOOKS, None),
    data_preprocessor=(host.MODELS, 'ClsDataPreprocessor'),
    custom_hooks=(host.HOOKS, None), train_cfg=(host.LOOPS, None),
    val_cfg=(host.LOOPS, 'ValLoop'), test_cfg=(host.LOOPS, 'TestLoop'),
    train_dataloader=(host.DATASETS, DataLoader),
    val_dataloader=(host.DATASETS, DataLoader),
    test_dataloader=(host.DATASETS, DataLoader),
    val_evaluator=(host.METRICS, 'Evaluator'),
    test_evaluator=(host.METRICS, 'Evaluator'),
    optim_wrapper=(host.OPTIM_WRAPPERS, 'OptimWrapper'),
    param_scheduler=(host.PARAM_SCHEDULERS, None),
    log_processor=(host.LOG_PROCESSORS, 'LogProcessor'),
    visualizer=(host.VISUALIZERS, 'Visualizer'),
    tta_model=(host.MODELS, None))
# Where a `type` is looked up below a key inside a part; None where it is no
# class of a registry. Any other key belongs to the registry around it.
INSIDE = dict(
    dataset=host.DATASETS, datasets=host.DATASETS, vocabulary=host.DATASETS,
    sampler=host.DATA_SAMPLERS, batch_sampler=host.DATA_SAMPLERS,
    pipeline=host.TRANSFORMS, transforms=host.TRANSFORMS,
    collate_fn=FUNCTIONS, worker_init_fn=FUNCTIONS,
    optimizer=host.OPTIMIZERS, vis_backends=host.VISBACKENDS, clip_grad=None,
    policies=None, targets=None, vision_encoder=None)
# What parts of this package build of a dict without a type.
WITHOUT_TYPE = dict(clip=clip, teacher=Teacher, tpt=TPT)
# Options that MMEngine takes out before it calls what it builds.
TAKEN_OUT = {
    host.OPTIM_WRAPPERS: ('constructor', 'paramwise_cfg'),
    host.PARAM_SCHEDULERS: ('convert_to_iter_based', ),
    host.HOOKS: ('priority', ), host.LOOPS: ('by_epoch', ),
    host.DATASETS: ('num_batch_per_epoch', )}
REGISTRIES = [r for r in vars(host).values() if isinstance(r, Registry)]
# Whose parts are built by registries throughout.
PACKAGES = ('dept_mm', 'mmpretrain', 'mmengine', 'mmcv', 'torch')
# What else MMEngine and this package read at the top of a config.
OWN = ('lm', 'protocol', 'runner_type', 'model_wrapper_cfg', 'sync_bn',
       'find_unused_parameters', 'compile', 'activation_checkpointing',
       'efficient_conv_bn_eval', 'tta_pipeline')


def check_config(cfg: Config) -> None:
    """Check options, types and kinds of values of everything that is built.

    Options are compared with the signatures of the classes that the
    registries would build, of this package, the OpenMMLab stack, torch, or
    the user's own. A class takes the options of its parents where it passes
    its ``**kwargs`` on to them, and any options where it does something else
    with them. Kinds are compared where an annotation or a default says them.

    Args:
        cfg (Config): The config; it is not changed.

    Raises:
        DeptError: If nothing reads an option, a type is unknown, or a value
            is of the wrong kind. The message has the path of the option.
    """
    given = dict(cfg.items())
    scope = given.get('default_scope') or 'mmengine'
    with DefaultScope.overwrite_default_scope(scope):
        _check_kinds('', given, read_options(Runner).known, 'the runner')
        for path, reader in READERS.items():
            top, _, key = path.partition('.')
            node = given.get(top)
            if key and isinstance(node, Mapping):
                # A constructor of its own reads other options.
                node = None if 'constructor' in node else node.get(key)
            if isinstance(node, Mapping):
                _check_options(path, node, reader)
        for key in [k for k in TOP if k in given]:
            registry, default = TOP[key]
            if key == 'train_cfg' and isinstance(given[key], Mapping):
                # MMEngine chooses the loop itself.
                by_epoch = given[key].get('by_epoch', True)
                default = f'{"Epoch" if by_epoch else "Iter"}BasedTrainLoop'
            _check(key, given[key], registry, default)


def check_names(cfg: Config, names: Iterable[str]) -> None:
    """Check that something reads options at the top of a config.

    Args:
        cfg (Config): The config before the options.
        names (Iterable[str]): Dotted keys of the options.

    Raises:
        DeptError: If a name is unknown, or is a definition of the config file
            that was copied when the file was read.
    """
    known = {*read_options(Runner).known, *TOP, *READERS, *OWN}
    for name in names:
        top = name.partition('.')[0]
        if top not in known and top not in cfg:
            places = list(_paths(cfg))
            near = [p for p in places if p.endswith(f'.{name}')] or (
                get_close_matches(name, [*known, *places], 1, .5))
            raise DeptError(f'{name}: nothing reads this option. '
                            f'{_ask(near)}'.rstrip())
        if top not in known and isinstance(cfg[top], (dict, list)):
            raise DeptError(
                f'{name}: nothing reads {top!r}. It is a definition of the '
                'config file, and other parts have taken copies of it. '
                'Change it there, e.g. model.* or train_dataloader.*.')


def _check(path: str, node: Any, registry: Registry,
           default: str | Callable | None = None, sure: bool = True) -> None:
    """Check a part, or all parts in a list or dict of parts.

    Args:
        sure (bool): Whether a dict with a ``type`` is certainly a part.
    """
    if isinstance(node, (list, tuple)):
        for i, child in enumerate(node):
            _check(f'{path}.{i}', child, registry, sure=sure)
    if not isinstance(node, Mapping):
        return
    part, inner = node.get('type', default), {}
    if isinstance(part, str):
        part = _find(f'{path}.type', part, registry, sure)
    if callable(part):
        _check_options(path, node, part, TAKEN_OUT.get(registry, ()))
        package = part.__module__.partition('.')[0]
        sure = package in PACKAGES
        inner = WITHOUT_TYPE if package == 'dept_mm' else {}
    for key, child in node.items():
        inside = INSIDE.get(key, registry)
        # Layers of MMPretrain's networks are built in ways of their own.
        if inside is not None and not key.endswith('_cfg'):
            _check(f'{path}.{key}', child, inside, inner.get(key),
                   sure or key in INSIDE)


def _find(path: str, name: str, registry: Registry, sure: bool
          ) -> Callable | None:
    """Find what a type stands for, if need be in any registry."""
    for one in (registry, *REGISTRIES):
        if (found := one.get(name)) is not None:
            return found
    if not sure:
        return None
    known = [key for one in (registry, registry.parent) if one
             for key in one.module_dict]
    raise DeptError(
        f'{path}={name!r}: no {registry.name} is registered under this name. '
        f'{_ask(get_close_matches(name, known, 1, .5))}'.rstrip())


def _check_options(path: str, node: Mapping, part: Callable,
                   taken_out: Iterable[str] = ()) -> None:
    """Check the options that one part is given."""
    options, any_other = read_options(part)
    name = part.__name__
    for key, value in node.items():
        if not any_other and key not in (
                *options, 'type', '_scope_', *taken_out):
            raise DeptError(
                f'{path}.{key}={_show(value)}: {name} has no such option. '
                f'{_ask(get_close_matches(key, options, 1, .5))}It has '
                f'{", ".join(options) or "none"}.')
    if node.get('convert_to_iter_based'):  # then an epoch has fractions
        options = {k: Option(float if o.hint is int else o.hint, o.default)
                   for k, o in options.items()}
    _check_kinds(f'{path}.', node, options, name)


def _check_kinds(start: str, node: Mapping, options: Mapping[str, Option],
                 name: str) -> None:
    """Check that values are of the kind that a part says."""
    for key, value in node.items():
        if key in options and not fits(value, options[key]):
            raise DeptError(
                f'{start}{key}={_show(value)} is of the wrong kind, '
                f'{type(value).__name__}: {name} takes '
                f'{describe(options[key])}.')


def _paths(node: Mapping, start: str = '') -> Iterator[str]:
    """List the dotted names of all options below a node."""
    for key, value in node.items():
        yield f'{start}{key}'
        if isinstance(value, Mapping):
            yield from _paths(value, f'{start}{key}.')


def _ask(near: list[str]) -> str:
    """Ask whether the nearest right name was meant, if there is one."""
    return f'Did you mean {near[0]}? ' if near else ''


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f'{text[:77]}...'
