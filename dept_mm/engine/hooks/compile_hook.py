"""The text tower's blocks, compiled."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """Runs the blocks of the text engine through ``torch.compile``.

    Rounding may differ. Compiling takes a minute or more and is done again
    for other shapes (classes of a test), so it pays in long runs with few
    classes on a GPU, where starting kernels takes more time than their work.
    mmengine's own ``compile`` option compiles the whole training step, most
    of which is Python that it cannot.

    Args:
        cuda_graphs (bool): Record the kernels and start all of them at once;
            on a GPU only. Defaults to False.
        backend (str): Of ``torch.compile``. Defaults to ``'inductor'``, which
            makes kernels with the C++ compiler of the machine, or Triton.

    Raises:
        DeptError: When a run starts, if there is no GPU for CUDA graphs, or
            the text tower is none that the engine takes apart.
    """

    def __init__(self, cuda_graphs: bool = False, backend: str = 'inductor'
                 ) -> None:
        self.cuda_graphs = cuda_graphs
        self.options = dict(backend=backend)
        if backend == 'inductor':
            # With buffers that are written in place, torch 2.15 gets the
            # gradients of per-image prompts (CoCoOp) wrong.
            self.options['options'] = {'inplace_buffers': False,
                                       'triton.cudagraphs': cuda_graphs}
        self._engine = None

    def before_run(self, runner: Runner) -> None:
        """Put compiled blocks in place."""
        if self.cuda_graphs and not torch.cuda.is_available():
            raise DeptError('CompileHook: cuda_graphs needs a GPU, and there '
                            'is none.')
        backbone = text_backbone(runner)
        clip = getattr(backbone, 'clip', None)
        self._engine = getattr(getattr(clip, 'text_tower', None), 'engine',
                               None)
        if self._engine is None:
            raise DeptError('CompileHook compiles the text engine, which '
                            'this model does not use: remove the hook.')
        self._engine.run = torch.compile(self._engine.run, **self.options)

    def after_run(self, runner: Runner) -> None:
        """Other models may share the CLIP."""
        del self._engine.run
