"""Values that the parts of a model hand to each other."""
from dept_mm.structures.features import CLIPFeatures, TeacherFeatures
from dept_mm.structures.inputs import ImageFeatures, Views
from dept_mm.structures.prompts import BlockParts, Prompts
from dept_mm.structures.vocabulary import Vocabulary

__all__ = [
    'BlockParts', 'CLIPFeatures', 'ImageFeatures', 'Prompts',
from dept_mm.structures.inputs import AugmentedViews, ImageFeatures, Views
from dept_mm.structures.prompts import Prompts
from dept_mm.structures.vocabulary import Vocabulary

__all__ = [
    'AugmentedViews', 'CLIPFeatures', 'ImageFeatures', 'Prompts',
    'TeacherFeatures', 'Views', 'Vocabulary'
]
