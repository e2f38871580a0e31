"""A training's optimizer and schedule, built as MMEngine builds them."""
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
    """A runner that builds everything of a training and never runs the model.

    It builds loop, optimizer and schedulers with MMEngine's own methods.

    Args:
        model (nn.Module): The model, which is not changed.
        loader (DataLoader): Its training data, as one process would load it.
        cfg (Config): The config.
        processes (int): Number of processes that share the data.
    """

    def __init__(self, model: nn.Module, loader: DataLoader, cfg: Config,
                 processes: int) -> None:
        # Not super().__init__, which creates folders and logs and sets seeds.
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
        """Number of steps per epoch in each process."""
        return len(self.train_dataloader)

    def list_groups(self) -> list[dict]:
        """Return the hyper-parameters of the optimizer's groups over the
        training.

        Returns:
            list[dict]: ``parameters``, ``weight_decay``, ``momentum`` and
            ``lr``, which holds the rates of the first and the last step of
            each epoch. Parameters that agree in all of these share a group.
        """
        if not isinstance(self.optim_wrapper, OptimWrapper):
            return []  # there are several optimizers
        names = {id(p): n for n, p in self.model.named_parameters()}
        groups = [g for g in self.optim_wrapper.optimizer.param_groups
                  if any(id(p) in names for p in g['params'])]
        hyper = [(g.get('weight_decay'), g.get('momentum', g.get('betas')))
                 for g in groups]
        rates = list(zip(*self._list_rates(groups), strict=True))
        merged: dict[tuple, list[str]] = {}
        for group, (decay, momentum), lr in zip(groups, hyper, rates,
                                                strict=True):
            merged.setdefault((decay, momentum, lr), []).extend(
                names[id(p)] for p in group['params'])
        return [dict(parameters=found, weight_decay=decay, momentum=momentum,
                     lr=[list(pair) for pair in lr])
                for (decay, momentum, lr), found in merged.items()]

    def _list_rates(self, groups: list[dict]
                    ) -> list[list[tuple[float, float]]]:
        """Return the first and the last rate of each epoch, by group."""
        hook, found = ParamSchedulerHook(), []
        # An iteration-based loop treats all of training as one epoch.
        epochs = not isinstance(self.train_loop, IterBasedTrainLoop)
        with warnings.catch_warnings():
            # Schedulers warn that the optimizer takes no steps.
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

    def copy_stepped_optimizer(self) -> torch.optim.Optimizer:
        """Return a copy of the optimizer after a step on copied parameters."""
        optimizer = copy.deepcopy(self.optim_wrapper.optimizer)
        for group in optimizer.param_groups:
            for p in group['params']:
                p.grad = torch.zeros_like(p)
        optimizer.step()
        return optimizer

    def count_state_bytes(self) -> int:
        """Return the bytes that the optimizer keeps between steps."""
        return sum(v.numel() * v.element_size()
                   for state in self.copy_stepped_optimizer().state.values()
                   for v in state.values() if isinstance(v, torch.Tensor))


class _Share(DataLoader):
    """A loader whose length is the share of one of several processes.

    With ``n`` images, ``ceil(ceil(n / B) / P) = ceil(ceil(n / P) / B)``.
    """

    def __init__(self, loader: DataLoader, processes: int) -> None:
        super().__init__(loader.dataset, loader.batch_size)
        self._length = -(-len(loader) // processes)

    def __len__(self) -> int:
        return self._length
