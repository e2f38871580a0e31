"""How long a run took and how much memory."""
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
    """Measures this process: wall time and peak memory.

    Training starts after the runner is built and a feature store is filled;
    of a resumed run it is what was left to do.

    Attributes:
        seconds (dict): ``train`` (all but evaluation) and ``evaluation``.
        cuda (int): Peak of the tensors on the GPU, in bytes.
    """
    # The logger resets PyTorch's peak, so it is read before.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.seconds = dict(train=0., evaluation=0.)
        self.cuda = 0
        self._start = self._evaluation = 0.

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self._start = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        """Stop it."""
        self.look()
        self.seconds['train'] = (time.perf_counter() - self._start
                                 - self.seconds['evaluation'])

    def _before_evaluation(self, runner: Runner) -> None:
        self._evaluation = time.perf_counter()

    def _after_evaluation(self, runner: Runner,
                          metrics: dict | None = None) -> None:
        self.look()
        self.seconds['evaluation'] += time.perf_counter() - self._evaluation

    before_val_epoch = before_test_epoch = _before_evaluation
    after_val_epoch = after_test_epoch = _after_evaluation

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs=None) -> None:
        """Look at the peak before it is reset."""
        self.look()

    def look(self) -> None:
        """Take note of the peak of the GPU."""
        if torch.cuda.is_available():
            self.cuda = max(self.cuda, torch.cuda.max_memory_allocated())

    def report(self, zero_shot: float = 0.) -> dict:
        """Seconds and bytes.

        Args:
            zero_shot (float): Seconds that zero-shot CLIP took inside the
                time of training.
        """
        seconds = dict(self.seconds, zero_shot=zero_shot)
        seconds['train'] = max(0., seconds['train'] - zero_shot)
        return dict(
            seconds={k: round(v, 3) for k, v in seconds.items()},
            peak_memory=dict(
                process=_peak_of_process(),
                cuda=self.cuda if torch.cuda.is_available() else None))


def _peak_of_process() -> int | None:
    """Peak resident memory in bytes, workers of data loaders left out."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024
