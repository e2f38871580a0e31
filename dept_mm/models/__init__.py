"""Modules that register into MMPretrain's ``MODELS``."""
from dept_mm.models.backbones import PromptedCLIP
from dept_mm.models.clip import FeatureCLIP, TimmImages
from dept_mm.models.heads import (
    CLIPHead,
    DePTHead,
    LinearProbeHead,
    MultiLabelCLIPHead,
    UnlabelledHead,
)
from dept_mm.models.losses import (
    ImageConsistencyLoss,
    LocalEntropyLoss,
    SelfConsistencyLoss,
    TeacherDivergenceLoss,
    TextConsistencyLoss,
    TokenFeatureLoss,
    ZeroShotDivergenceLoss,
)
from dept_mm.models.necks import TDA, CLIPAdapter, TeacherSpace, TipAdapter
from dept_mm.models.probes import (
    APE,
    APET,
    CLAP,
    CrossModalProbe,
    GDAProbe,
    LinearProbe,
    LPPlusPlus,
    TaskRes,
)
from dept_mm.models.prompts import (
    ADePTPrompt,
    ATPrompt,
    CLIPLoRA,
    CoCoOpPrompt,
    CoOpPrompt,
    DecomposedPrompt,
    IVLPPrompt,
    LatePrompt,
    MaPLePrompt,
    MMRLPrompt,
    MultiModalAdapter,
    SoftPrompt,
    TCPPrompt,
    TowerPrompts,
    TunedBlocks,
)
from dept_mm.models.utils.data_preprocessor import CLIPDataPreprocessor

__all__ = [
    'ADePTPrompt', 'APE', 'APET', 'ATPrompt', 'CLAP', 'CLIPAdapter',
    'CLIPDataPreprocessor', 'CLIPHead', 'CLIPLoRA', 'CoCoOpPrompt',
    'CoOpPrompt', 'CrossModalProbe', 'DePTHead', 'DecomposedPrompt',
    'FeatureCLIP', 'GDAProbe', 'IVLPPrompt', 'ImageConsistencyLoss',
    'LPPlusPlus', 'LatePrompt', 'LinearProbe', 'LinearProbeHead',
    'LocalEntropyLoss', 'MMRLPrompt', 'MaPLePrompt', 'MultiLabelCLIPHead',
    'MultiModalAdapter', 'PromptedCLIP', 'SelfConsistencyLoss', 'SoftPrompt',
    'TCPPrompt', 'TDA', 'TaskRes', 'TeacherDivergenceLoss', 'TeacherSpace',
    'TextConsistencyLoss', 'TimmImages', 'TipAdapter', 'TokenFeatureLoss',
    'TowerPrompts', 'TunedBlocks', 'UnlabelledHead', 'ZeroShotDivergenceLoss'
]
