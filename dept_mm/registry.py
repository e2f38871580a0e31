"""The registries into which this package registers its modules.

They are MMPretrain's own, so a config can mix modules of this package with
MMPretrain's. It needs ``default_scope = 'mmpretrain'`` and ``custom_imports =
dict(imports=['dept_mm'])``.
"""
from mmpretrain.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
)

__all__ = [
    'DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS',
    'OPTIM_WRAPPERS', 'OPTIM_WRAPPER_CONSTRUCTORS', 'PARAM_SCHEDULERS',
    'TRANSFORMS'
]
