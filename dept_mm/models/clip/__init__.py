"""The frozen CLIP: open_clip's towers with places for prompts."""
from dept_mm.models.clip.feature_clip import FeatureCLIP
from dept_mm.models.clip.frozen_clip import FrozenCLIP
from dept_mm.models.clip.loading import build_clip, learned_dtype
from dept_mm.models.clip.spec import CLIPSpec, clip_spec
from dept_mm.models.clip.timm_images import TimmImages
from dept_mm.models.clip.tokens import ClassTokens

__all__ = [
    'CLIPSpec', 'ClassTokens', 'FeatureCLIP', 'FrozenCLIP', 'TimmImages',
    'build_clip', 'clip_spec', 'learned_dtype'
]
