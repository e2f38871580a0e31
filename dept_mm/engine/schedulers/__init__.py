"""Parameter schedulers."""
from dept_mm.engine.schedulers.absolute_warmup import AbsoluteWarmupLR

__all__ = ['AbsoluteWarmupLR']
