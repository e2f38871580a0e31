"""Make an adapter of a checkpoint."""
from __future__ import annotations

from pathlib import Path

from dept_mm.apis._find import find_weights
from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.adapter_writer import is_text_state
from dept_mm.exchange.publish import (
    read_run,
    write_classifier,
    write_named,
)


def publish(model: str | Path, out: str | Path, ema: bool = True) -> Path:
    """Write what a run has learned, of a CLIP or of a language model, as an
    adapter.

    Args:
        model (str | Path): A checkpoint, or the work dir of a run, of which
            the chosen epoch is taken, else the last one.
        out (str | Path): Name of the adapter; the date and a hash are added.
        ema (bool): Whether to use the moving average of the weights, if there
            is one. Defaults to True.

    Returns:
        Path: The file that was written.

    Raises:
        DeptError: If there is no checkpoint, or no adapter can be made of it.
    """
    checkpoint = find_weights(model)
    if checkpoint.suffix == SUFFIX:
        raise DeptError(f'{checkpoint} is an adapter already.')
    run = read_run(checkpoint, ema)
    write = write_classifier
    if is_text_state(run.state):
        from dept_mm.language.use import write_text_adapter as write
    return write_named(out, lambda path: write(path, run))
