"""Read configs, change them and tell two of them apart."""
from dept_mm.config.check import check_config
from dept_mm.config.choices import CHOICES, read_config
from dept_mm.config.fingerprint import config_fingerprint, config_settings
from dept_mm.config.options import apply_options, set_seed_options
from dept_mm.config.resume import check_resumed
from dept_mm.config.selection import (
    SELECTIONS,
    select_epoch,
    unwrap_dataset,
)

__all__ = [
    'CHOICES', 'SELECTIONS', 'apply_options', 'check_config', 'check_resumed',
    'config_fingerprint', 'config_settings', 'read_config', 'select_epoch',
    'set_seed_options', 'unwrap_dataset'
]
