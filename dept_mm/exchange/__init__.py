"""Files for exchange: adapters, and checkpoints of other code.

An adapter is a ``.safetensors`` file with what was learned and what is needed
to use it, see :mod:`dept_mm.exchange.adapter_file`.
"""
from dept_mm.exchange.adapter_file import AdapterFile, read_adapter
from dept_mm.exchange.adapter_writer import calibrate_adapter, write_adapter
from dept_mm.exchange.dassl import import_checkpoint
from dept_mm.exchange.loader import load_from_adapter_file
from dept_mm.exchange.publish import publish_checkpoint
from dept_mm.exchange.rebuild import load_adapter
from dept_mm.exchange.tuned_teacher import TunedTeacher
from dept_mm.exchange.zoo import register_zoo

__all__ = [
    'AdapterFile', 'TunedTeacher', 'calibrate_adapter', 'import_checkpoint',
    'load_adapter', 'load_from_adapter_file', 'publish_checkpoint',
    'read_adapter', 'register_zoo', 'write_adapter'
]
