"""Data sets with few-shot draws, and image transforms."""
from .csv_file import CSVDataset
from .drawn_shapes import DrawnShapes
from .few_shot import FewShotDataset, Item, Splits, draw_shots
from .folder import FolderDataset
from .split_file import SplitFileDataset
from .transforms import (
    CLIPRandomResizedCrop,
    CLIPResizeCenterCrop,
    LoadRGBImage,
)

__all__ = [
    'CLIPRandomResizedCrop', 'CLIPResizeCenterCrop', 'CSVDataset',
    'DrawnShapes', 'FewShotDataset', 'FolderDataset', 'Item', 'LoadRGBImage',
    'SplitFileDataset', 'Splits', 'draw_shots'
]
