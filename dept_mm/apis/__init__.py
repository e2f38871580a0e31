"""Functions for scripts: what the command line tools are made of."""
from dept_mm.apis.config import (
    apply_options,
    replace_definition,
    set_seed_options,
)
from dept_mm.apis.fingerprint import config_fingerprint
from dept_mm.apis.launch import init_launcher
from dept_mm.apis.stacked import train_stacked

__all__ = [
    'apply_options', 'config_fingerprint', 'init_launcher',
    'replace_definition', 'set_seed_options', 'train_stacked'
]
