"""Helpers for files and the machine, independent of models and configs."""
