"""One paragraph on what a run trains."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from dept_mm.engine.hooks._model import find_hook, unwrapped_model
from dept_mm.engine.hooks.selection_hook import SelectionHook
from dept_mm.engine.run_record import dataset_name


def describe_training(runner: Runner) -> str:
    """Say what is trained on what: method, frozen model, data, parameters.

    Args:
        runner (Runner): The runner, after its loops are built.
    """
    model, cfg = unwrapped_model(runner), runner.cfg
    name = cfg.filename and '/'.join(
        Path(cfg.filename).with_suffix('').parts[-2:])
    learned = sum(p.numel() for p in model.parameters() if p.requires_grad)
    parts = ' and '.join(list_learned(model)) or 'no parameters'
    frozen = next(
        (f'{kind}, {one.name}'
         for holder in (model, getattr(model, 'backbone', None))
         for key, kind in (('clip', 'CLIP'), ('lm', 'language model'))
         if (one := getattr(holder, key, None)) is not None), None)
    loop = runner.train_loop
    length = (f'{loop.max_epochs} epoch{"s" * (loop.max_epochs > 1)} of '
              f'{len(loop.dataloader)} steps'
              if isinstance(loop, EpochBasedTrainLoop)
              else f'{loop.max_iters} steps')
    return ' '.join(filter(None, (
        f'{name or "This run"} trains {parts}'
        + (f' on top of a frozen {frozen}' if frozen else '')
        + (f': {learned:,} parameters.' if learned else '.'),
        _describe_data(runner),
        _describe_selection(runner),
        f'It takes {length}, seed {runner.seed}, on '
        f'{_describe_device(model)}.')))


def list_learned(model: nn.Module) -> Iterator[str]:
    """Name the parts of a model that have learned parameters."""
    for child in model.children():
        inner = getattr(child, 'prompt', None) or child
        for part in inner if isinstance(inner, nn.ModuleList) else [inner]:
            if any(p.requires_grad for p in part.parameters()):
                yield type(part).__name__


def _describe_data(runner: Runner) -> str:
    dataset = runner.train_dataloader.dataset
    name = dataset_name(runner.cfg, 'train_dataloader')
    meta = getattr(dataset, 'metainfo', {})
    classes, base = (len(meta.get(key) or ())
                     for key in ('classes', 'base_classes'))
    said = f'The data are {len(dataset):,} samples of {name}'
    if base and base < classes:
        return f'{said}, of {base} of its {classes} classes.'
    return f'{said}, of {classes} classes.' if classes else f'{said}.'


def _describe_selection(runner: Runner) -> str:
    """Say what chooses the epoch, if anything does."""
    hook = find_hook(runner, SelectionHook)
    if hook is None:
        return ''
    return (f'{len(runner.val_dataloader.dataset):,} others, of split '
            f'{hook.split!r}, choose the epoch that is tested.')


def _describe_device(model: nn.Module) -> str:
    """Name the device of the parameters."""
    kind = next((p.device.type for p in model.parameters()), 'cpu')
    return {'cpu': 'the CPU', 'cuda': 'the GPU'}.get(kind, kind)
