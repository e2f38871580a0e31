"""Modules that register into MMPretrain's ``MODELS``."""
from dept_mm.models.adapters import CLIPAdapter, TipAdapter
from dept_mm.models.backbones import PromptedCLIP
from dept_mm.models.data_preprocessor import CLIPDataPreprocessor
from dept_mm.models.heads import CLIPHead, DePTHead, LinearProbeHead
from dept_mm.models.losses import (
    SelfConsistencyLoss,
    TextConsistencyLoss,
    ZeroShotDivergenceLoss,
)
from dept_mm.models.prompt_modules import (
    ADePTPrompt,
    DecomposedPrompt,
    LatePrompt,
    SoftPrompt,
)
from dept_mm.models.prompts import (
    CoCoOpPrompt,
    CoOpPrompt,
    IVLPPrompt,
    MaPLePrompt,
    TCPPrompt,
    TowerPrompts,
)

__all__ = [
    'ADePTPrompt', 'CLIPAdapter', 'CLIPDataPreprocessor', 'CLIPHead',
    'CoCoOpPrompt', 'CoOpPrompt', 'DePTHead', 'DecomposedPrompt', 'IVLPPrompt',
    'LatePrompt', 'LinearProbeHead', 'MaPLePrompt', 'PromptedCLIP',
    'SelfConsistencyLoss', 'SoftPrompt', 'TCPPrompt', 'TextConsistencyLoss',
    'TipAdapter', 'TowerPrompts', 'ZeroShotDivergenceLoss'
]
