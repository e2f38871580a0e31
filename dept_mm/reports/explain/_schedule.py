"""Optimiser and schedule, built as mmengine builds them."""
from __future__ import annotations

import copy
import warnings
from types import SimpleNamespace

import torch
from mmengine.config import Config
from mmengine.hooks import ParamSchedulerHook
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader


class Rehearsal(Runner):
    """A runner with all of training but the model's steps.

    It builds loop, optimiser and schedulers by mmengine's own methods.

    Args:
        model (nn.Module): The model; it is not changed.
        loader (DataLoader): Its training data, of one process.
        cfg (Config): The config.
        processes (int): How many processes share the data.
    """

    def __init__(self, model: nn.Module, loader: DataLoader, cfg: Config,
                 processes: int) -> None:
        # Not super().__init__: it makes folders, logs and random states.
        self.model = model
        self.logger = MMLogger.get_current_instance()
        self.visualizer = SimpleNamespace()
        self.param_schedulers = None
        self._world_size = processes
        self._train_dataloader = _Share(loader, processes)
        self._train_loop = self.build_train_loop(
            copy.deepcopy(dict(cfg.train_cfg)))
        self.optim_wrapper = self.build_optim_wrapper(
            dict(dict(type='OptimWrapper'), **copy.deepcopy(
                cfg.optim_wrapper)))
        self.scale_lr(self.optim_wrapper, cfg.get('auto_scale_lr'))
        self.param_schedulers = self.build_param_scheduler(
            cfg.get('param_scheduler') or [])

    @property
    def steps(self) -> int:
        """Steps of an epoch, of each process."""
        return len(self.train_dataloader)

    def groups(self) -> list[dict]:
        """Hyper-parameters of the optimiser's groups over training.

        Returns:
            list[dict]: ``parameters``, ``weight_decay``, ``momentum`` and
            ``lr``, a list of the first and the last step's rate of each
            epoch. Parameters that share all of them share a group.
        """
        if not isinstance(self.optim_wrapper, OptimWrapper):
            return []  # several optimisers
        names = {id(p): n for n, p in self.model.named_parameters()}
        groups = [g for g in self.optim_wrapper.optimizer.param_groups
                  if any(id(p) in names for p in g['params'])]
        hyper = [(g.get('weight_decay'), g.get('momentum', g.get('betas')))
                 for g in groups]
        rates = list(zip(*self._rates(groups), strict=True))
        merged: dict[tuple, list[str]] = {}
        for group, (decay, momentum), lr in zip(groups, hyper, rates,
                                                strict=True):
            merged.setdefault((decay, momentum, lr), []).extend(
                names[id(p)] for p in group['params'])
        return [dict(parameters=found, weight_decay=decay, momentum=momentum,
                     lr=[list(pair) for pair in lr])
                for (decay, momentum, lr), found in merged.items()]

    def _rates(self, groups: list[dict]) -> list[list[tuple[float, float]]]:
        """First and last rate per epoch and group."""
        hook, found = ParamSchedulerHook(), []
        # To an iteration-based loop all of training is one epoch.
        epochs = not isinstance(self.train_loop, IterBasedTrainLoop)
        with warnings.catch_warnings():
            # Schedulers miss the steps of the optimiser.
            warnings.simplefilter('ignore', UserWarning)
            for start in range(0, self.max_iters, self.steps):
                first = [g['lr'] for g in groups]
                for i in range(min(self.steps, self.max_iters - start)):
                    last = [g['lr'] for g in groups]
                    hook.after_train_iter(self, i)
                if epochs:
                    hook.after_train_epoch(self)
                found.append(list(zip(first, last, strict=True)))
        return found

    def optimizer_after_a_step(self) -> torch.optim.Optimizer:
        """A copy that has taken one step, on copies of the parameters."""
        optimizer = copy.deepcopy(self.optim_wrapper.optimizer)
        for group in optimizer.param_groups:
            for p in group['params']:
                p.grad = torch.zeros_like(p)
        optimizer.step()
        return optimizer

    def state_bytes(self) -> int:
        """Bytes that the optimiser keeps between steps."""
        return sum(v.numel() * v.element_size()
                   for state in self.optimizer_after_a_step().state.values()
                   for v in state.values() if isinstance(v, torch.Tensor))


class _Share(DataLoader):
    """The length of a loader whose data several processes share.

    With ``n`` images, ``ceil(ceil(n / B) / P) = ceil(ceil(n / P) / B)``.
    """

    def __init__(self, loader: DataLoader, processes: int) -> None:
        super().__init__(loader.dataset, loader.batch_size)
        self._length = -(-len(loader) // processes)

    def __len__(self) -> int:
        return self._length
