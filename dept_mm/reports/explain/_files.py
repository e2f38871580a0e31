"""The sizes of a run's files."""
from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import get_state_dict
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_writer import write_adapter
from dept_mm.reports.explain._schedule import Rehearsal


def measure_files(model: nn.Module, run: Rehearsal, cfg: Config
               ) -> dict[str, int]:
    """Measure the approximate sizes of an adapter and a checkpoint by writing
    them.

    A checkpoint is larger, because it also holds the state of the optimizer.
    The few KB of the last logged values are not counted.

    Args:
        model (nn.Module): The model.
        run (Rehearsal): Its training.
        cfg (Config): The config.

    Returns:
        dict: Bytes of ``adapter``, unless the model cannot be saved as one,
        and of ``checkpoint``, unless there are several optimizers.
    """
    # About as long as the dumped config, which takes seconds to format.
    text = json.dumps(cfg.to_dict(), indent=4,
                      default=lambda kind: getattr(kind, '__name__', ''))
    found, state = {}, get_state_dict(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'x.safetensors')
        try:
            write_adapter(path, state, json.loads(text))
            found['adapter'] = path.stat().st_size
        except DeptError:
            pass  # e.g. without a PromptedCLIP
    if isinstance(run.optim_wrapper, OptimWrapper):
        file = io.BytesIO()
        torch.save(dict(
            meta=dict(cfg=text), state_dict=state,
            optimizer=run.copy_stepped_optimizer().state_dict(),
            param_schedulers=[s.state_dict() for s in run.param_schedulers]),
            file)
        found['checkpoint'] = file.tell()
    return found
