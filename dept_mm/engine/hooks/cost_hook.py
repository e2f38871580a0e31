"""A hook that measures the time, memory and parameters a run takes."""
from __future__ import annotations

import sys
import time

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.registry import HOOKS

try:
    import resource
except ImportError:  # Windows
    resource = None


@HOOKS.register_module()
class CostHook(Hook):
    """Measures the wall time and the peak memory of this process, and counts
    the parameters that are trained.

    The time of training starts when the runner has been built and a feature
    store has been filled. For a resumed run it covers the resumed part only.
    The measurements go into ``result.json``, see ``BaseNewTableHook``.

    Config::

        default_hooks = dict(cost=dict(type='CostHook'))

    Attributes:
        seconds (dict): Seconds spent on ``train`` (without evaluation) and on
            ``evaluation``.
        cuda (int): Peak memory of tensors on the GPU, in bytes.
        parameters (int): How many numbers were trained.
    """
    # Runs before the logger, which resets PyTorch's memory peak.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.seconds = dict(train=0., evaluation=0.)
        self.cuda = self.parameters = 0
        self._start = self._evaluation = 0.

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        """Stop the clock, and count what was trained."""
        self._note_peak()
        self.parameters = sum(p.numel() for p in runner.model.parameters()
                              if p.requires_grad)
        self.seconds['train'] = (time.perf_counter() - self._start
                                 - self.seconds['evaluation'])

    def _before_evaluation(self, runner: Runner) -> None:
        self._evaluation = time.perf_counter()

    def _after_evaluation(self, runner: Runner,
                          metrics: dict | None = None) -> None:
        self._note_peak()
        self.seconds['evaluation'] += time.perf_counter() - self._evaluation

    before_val_epoch = before_test_epoch = _before_evaluation
    after_val_epoch = after_test_epoch = _after_evaluation

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs=None) -> None:
        """Note the memory peak before the logger resets it."""
        self._note_peak()

    def _note_peak(self) -> None:
        """Update the peak memory of the GPU."""
        if torch.cuda.is_available():
            self.cuda = max(self.cuda, torch.cuda.max_memory_allocated())

    def report(self, zero_shot: float = 0.) -> dict:
        """Return the measurements, in seconds and bytes.

        Args:
            zero_shot (float): Seconds of the zero-shot evaluation, which ran
                while the clock of training did; they are subtracted from it.

        Returns:
            dict: ``seconds`` (``train``, ``evaluation``, ``zero_shot``) and
            ``peak_memory`` (``process`` and ``cuda``, each None if unknown)
            and ``parameters``.
        """
        seconds = dict(self.seconds, zero_shot=zero_shot)
        seconds['train'] = max(0., seconds['train'] - zero_shot)
        return dict(
            parameters=self.parameters,
            seconds={k: round(v, 3) for k, v in seconds.items()},
            peak_memory=dict(
                process=_read_process_peak(),
                cuda=self.cuda if torch.cuda.is_available() else None))


def _read_process_peak() -> int | None:
    """Return the peak resident memory in bytes, without worker processes."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024
