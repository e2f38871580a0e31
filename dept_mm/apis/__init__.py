"""The functions that a script calls: build, load, predict and train."""
from dept_mm.apis._build import build
from dept_mm.apis._load import load
from dept_mm.apis._predict import predict
from dept_mm.apis._train import train

__all__ = ['build', 'load', 'predict', 'train']
