"""The parts of ``tools/predict.py``, for images and for texts."""
