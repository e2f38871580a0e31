"""Functions for scripts: what the command line tools are made of."""
from dept_mm.cli.launch import init_launcher
from dept_mm.config import (
    apply_options,
    config_fingerprint,
    config_settings,
    replace_definition,
    set_seed_options,
)
from dept_mm.exchange import (
    import_checkpoint,
    load_adapter,
    publish_checkpoint,
)

__all__ = [
    'apply_options', 'config_fingerprint', 'config_settings',
    'import_checkpoint', 'init_launcher', 'load_adapter',
    'publish_checkpoint', 'replace_definition', 'set_seed_options'
]
