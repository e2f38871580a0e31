"""Hooks, schedulers and wrappers of the training loop."""
from dept_mm.engine import hooks, schedulers
from dept_mm.engine.bf16_optim_wrapper import BF16OptimWrapper
from dept_mm.engine.eval_model_wrapper import EvalModelWrapper

__all__ = ['BF16OptimWrapper', 'EvalModelWrapper', 'hooks', 'schedulers']
