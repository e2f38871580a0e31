"""A loader with which MMEngine reads adapters like checkpoints."""
from __future__ import annotations

from mmengine.runner import CheckpointLoader

from dept_mm.exchange.adapter_file import SUFFIX, read_adapter


# The prefix is a regular expression; `force` allows a second import.
@CheckpointLoader.register_scheme(rf'.*\{SUFFIX}$', force=True)
def load_from_adapter_file(filename: str, map_location=None) -> dict:
    """Read an adapter as a checkpoint.

    MMEngine calls this for any ``.safetensors`` file, so ``load_from``,
    ``get_model`` and the tools accept adapters.

    Args:
        filename (str): A local ``.safetensors`` file.
        map_location: Ignored, since modules copy what they load.

    Returns:
        dict: ``state_dict`` and ``meta``, as in a checkpoint.

    Raises:
        DeptError: If the file is damaged or not an adapter.
    """
    file = read_adapter(filename)
    return dict(state_dict=file.state_dict, meta=dict(
        dataset_meta=file.dataset_meta, calibration=file.calibration))
