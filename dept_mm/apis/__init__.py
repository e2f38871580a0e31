"""What a script calls, such as build, load and train, and what it gets."""
from dept_mm.apis._batches import Unreadable
from dept_mm.apis._build import build
from dept_mm.apis._calibrate import Calibration, calibrate, keep_calibration
from dept_mm.apis._find import find_weights
from dept_mm.apis._load import load, load_classifier
from dept_mm.apis._merge import merge
from dept_mm.apis._publish import publish
from dept_mm.apis._retrieve import (
    Captions,
    encode_sentences,
    measure_retrieval,
    read_captions,
)
from dept_mm.apis._rules import Rules
from dept_mm.apis._train import train
from dept_mm.apis._unknown import measure_unknown
from dept_mm.apis.prediction import Prediction, predict_each
from dept_mm.apis.sources import find_images
from dept_mm.apis.tuned_model import TunedModel

__all__ = [
    'Calibration', 'Captions', 'Prediction', 'Rules', 'TunedModel',
    'Unreadable', 'build', 'calibrate', 'encode_sentences', 'find_images',
    'find_weights', 'keep_calibration', 'load', 'load_classifier',
    'measure_retrieval', 'measure_unknown', 'merge', 'predict_each', 'publish',
    'read_captions', 'train'
]
