"""Training and testing: hooks, loops, schedulers and wrappers for MMEngine."""
from dept_mm.engine import hooks, loops, schedulers
from dept_mm.engine.bf16_optim_wrapper import BF16OptimWrapper
from dept_mm.engine.eval_model_wrapper import EvalModelWrapper
from dept_mm.engine.training_free import (
    TrainingFreeConstructor,
    TrainingFreeLoop,
)

__all__ = [
    'BF16OptimWrapper', 'EvalModelWrapper', 'TrainingFreeConstructor',
    'TrainingFreeLoop', 'hooks', 'loops', 'schedulers'
]
