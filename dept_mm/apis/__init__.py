"""What a script calls: build, load and train, and what load returns."""
from dept_mm.apis._batches import Unreadable
from dept_mm.apis._build import build
from dept_mm.apis._load import load
from dept_mm.apis._train import train
from dept_mm.apis.prediction import Prediction, predict_each
from dept_mm.apis.tuned_model import TunedModel

__all__ = [
    'Prediction', 'TunedModel', 'Unreadable', 'build', 'load', 'predict_each',
    'train'
]
