"""Values that the parts of a model hand to each other."""
from dept_mm.structures.features import CLIPFeatures, TeacherFeatures
from dept_mm.structures.inputs import (
    AugmentedViews,
    ImageFeatures,
    LowerStates,
    Views,
)
from dept_mm.structures.prompts import BlockParts, Prompts
from dept_mm.structures.vocabulary import Vocabulary

__all__ = [
    'AugmentedViews', 'BlockParts', 'CLIPFeatures', 'ImageFeatures',
    'LowerStates', 'Prompts', 'TeacherFeatures', 'Views', 'Vocabulary'
]
