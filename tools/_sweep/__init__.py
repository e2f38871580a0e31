"""What ``tools/sweep.py`` is made of."""
