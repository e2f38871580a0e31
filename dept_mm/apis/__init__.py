"""Functions for scripts: what the command line tools are made of."""
from dept_mm.apis.config import apply_options, set_seed_options
from dept_mm.apis.launch import init_launcher

__all__ = ['apply_options', 'init_launcher', 'set_seed_options']
