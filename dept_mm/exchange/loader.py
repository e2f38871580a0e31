"""MMEngine loads adapters wherever it loads checkpoints."""
from __future__ import annotations

from mmengine.runner import CheckpointLoader

from dept_mm.exchange.adapter_file import SUFFIX, read_adapter


# The prefix is a regular expression; a second import registers it again.
@CheckpointLoader.register_scheme(rf'.*\{SUFFIX}$', force=True)
def load_from_adapter_file(filename: str, map_location=None) -> dict:
    """Read an adapter as a checkpoint, for ``load_from``, ``get_model`` and
    the tools.

    Args:
        filename (str): A local ``.safetensors`` file.
        map_location: Not needed: modules copy what they load.

    Raises:
        DeptError: If it is damaged or no adapter.
    """
    file = read_adapter(filename)
    known = file.vocabulary
    meta = dict(classes=known.names, base_classes=known.base,
                class_ids=known.ids, template=list(known.templates))
    return dict(state_dict=file.state_dict, meta=dict(dataset_meta=meta))
