"""How large the files of a run are."""
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
from dept_mm.exchange.adapter_file import write_adapter
from dept_mm.reports.explain._schedule import Rehearsal


def file_sizes(model: nn.Module, run: Rehearsal, cfg: Config
               ) -> dict[str, int]:
    """About how many bytes an adapter and a checkpoint have, by writing them.

    A checkpoint is to go on from, so it also holds what the optimiser keeps.
    The values that were logged last, some KB, are not counted.

    Args:
        model (nn.Module): The model.
        run (Rehearsal): Its training.
        cfg (Config): The config.

    Returns:
        dict: ``adapter``, unless the model cannot be one, and
        ``checkpoint``, unless there are several optimisers.
    """
    # As a dumped config, which takes seconds to lay out.
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
            optimizer=run.optimizer_after_a_step().state_dict(),
            param_schedulers=[s.state_dict() for s in run.param_schedulers]),
            file)
        found['checkpoint'] = file.tell()
    return found
