"""Prompt tuning of a frozen CLIP for MMPretrain.

Importing the package registers all of its modules. DePT here is *Decoupled*
Prompt Tuning (CVPR 2024).
"""
from dept_mm._host import check_host

check_host()

from dept_mm import (  # noqa: E402
    apis,
    datasets,
    engine,
    evaluation,
    exchange,
    models,
)
from dept_mm.apis import build, load, merge, train  # noqa: E402
from dept_mm.exchange import register_zoo  # noqa: E402
from dept_mm.version import __version__  # noqa: E402

register_zoo()

__all__ = [
    '__version__', 'apis', 'build', 'datasets', 'engine', 'evaluation',
    'exchange', 'load', 'merge', 'models', 'register_zoo', 'train'
]
