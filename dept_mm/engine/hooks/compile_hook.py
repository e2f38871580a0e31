"""A hook that speeds up the text tower with ``torch.compile``."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the transformer blocks of the text tower with
    ``torch.compile``.

    Results may differ by rounding. Compilation takes a minute or more and is
    repeated for other shapes, such as the classes of a test. It therefore pays
    off in long runs with few classes on a GPU, where launching kernels takes
    longer than running them. MMEngine's own ``compile`` option compiles the
    whole training step, most of which is Python code that cannot be compiled.

    Config::

        custom_hooks = _base_.custom_hooks + [
            dict(type='CompileHook', cuda_graphs=True)]

    Args:
        cuda_graphs (bool): Whether to record the kernels as CUDA graphs, which
            start all of them at once; needs a GPU. Defaults to False.
        backend (str): Backend of ``torch.compile``. Defaults to
            ``'inductor'``, which needs a C++ compiler or Triton on this
            machine.

    Raises:
        DeptError: When a run starts, if CUDA graphs are wanted but there is no
            GPU, or if the model's text tower does not run on this package's
            text engine.
    """

    def __init__(self, cuda_graphs: bool = False, backend: str = 'inductor'
                 ) -> None:
        self.cuda_graphs = cuda_graphs
        self.options = dict(backend=backend)
        if backend == 'inductor':
            # With buffers that are reused in place, torch 2.15 computes wrong
            # gradients for per-image prompts (CoCoOp).
            self.options['options'] = {'inplace_buffers': False,
                                       'triton.cudagraphs': cuda_graphs}
        self._engine = None

    def before_run(self, runner: Runner) -> None:
        """Replace the blocks by compiled ones."""
        if self.cuda_graphs and not torch.cuda.is_available():
            raise DeptError('CompileHook: cuda_graphs needs a GPU, but there '
                            'is none. Set cuda_graphs=False.')
        backbone = text_backbone(runner)
        clip = getattr(backbone, 'clip', None)
        self._engine = getattr(getattr(clip, 'text_tower', None), 'engine',
                               None)
        if self._engine is None:
            raise DeptError('CompileHook compiles the text engine, which '
                            'this model does not use: remove the hook.')
        self._engine.run = torch.compile(self._engine.run, **self.options)

    def after_run(self, runner: Runner) -> None:
        """Restore the blocks, since other models may share the CLIP."""
        del self._engine.run
