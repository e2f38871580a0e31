"""Loss terms that a head adds to its classification loss."""
from dept_mm.models.losses.image_consistency_loss import (
    ImageConsistencyLoss,
)
from dept_mm.models.losses.local_entropy_loss import LocalEntropyLoss
from dept_mm.models.losses.self_consistency_loss import SelfConsistencyLoss
from dept_mm.models.losses.teacher_divergence_loss import (
    TeacherDivergenceLoss,
)
from dept_mm.models.losses.text_consistency_loss import TextConsistencyLoss
from dept_mm.models.losses.token_feature_loss import TokenFeatureLoss
from dept_mm.models.losses.zero_shot_divergence_loss import (
    ZeroShotDivergenceLoss,
)

__all__ = [
    'ImageConsistencyLoss', 'LocalEntropyLoss', 'SelfConsistencyLoss',
    'TeacherDivergenceLoss',
    'TextConsistencyLoss', 'TokenFeatureLoss', 'ZeroShotDivergenceLoss'
]
