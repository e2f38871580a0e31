"""Reading and changing configs, and telling two of them apart."""
from dept_mm.config.fingerprint import config_fingerprint, config_settings
from dept_mm.config.options import (
    apply_options,
    replace_definition,
    set_seed_options,
)

__all__ = [
    'apply_options', 'config_fingerprint', 'config_settings',
    'replace_definition', 'set_seed_options'
]
