"""The parts of ``tools/choose.py``."""
