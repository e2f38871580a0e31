"""Image data sets with few-shot draws, and transforms that load images."""
from .augment_views import AugmentViews
from .augmix import AugMix
from .csv_file import CSVDataset
from .drawn_shapes import DrawnShapes
from .epoch_sampler import EpochIndex, EpochSampler
from .features import FeatureDataset
from .few_shot import FewShotDataset
from .folder import FolderDataset
from .multi_label_csv import MultiLabelCSVDataset
from .path_pattern import PathPatternDataset
from .seeded_dataset import SeededDataset
from .split_file import SplitFileDataset
from .splits import Item, Splits, draw_shots
from .stored_features import StoredFeatures
from .teacher_view import PackViews, TeacherView
from .tip_adapter_cache import TipAdapterCache
from .transforms import (
    CLIPRandomResizedCrop,
    CLIPResizeCenterCrop,
    LoadRGBImage,
)

__all__ = [
    'AugMix', 'AugmentViews', 'CLIPRandomResizedCrop', 'CLIPResizeCenterCrop',
    'CSVDataset', 'DrawnShapes', 'EpochIndex', 'EpochSampler',
    'FeatureDataset', 'FewShotDataset', 'FolderDataset', 'Item',
    'LoadRGBImage', 'MultiLabelCSVDataset', 'PackViews', 'PathPatternDataset',
    'SeededDataset', 'SplitFileDataset', 'Splits', 'StoredFeatures',
    'TeacherView', 'TipAdapterCache', 'draw_shots'
]
