"""Learning rate schedulers that MMEngine does not have."""
from dept_mm.engine.schedulers.absolute_warmup import AbsoluteWarmupLR

__all__ = ['AbsoluteWarmupLR']
