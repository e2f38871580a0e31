"""Find the size at which a method has a given number of parameters."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from dept_mm.errors import DeptError


def fit_budget(method: str, size: str | None,
               build: Callable[..., nn.Module], budget: int) -> dict:
    """Find the largest size of a method that fits a budget.

    Args:
        method (str): For messages.
        size (str, optional): The option that sets the number of parameters;
            None if it is fixed. The number must be linear in it.
        build (Callable): Builds the module, given that option.
        budget (int): Largest number of parameters.

    Returns:
        dict: The option, if there is one.

    Raises:
        DeptError: If nothing fits; the message lists what is possible.
    """
    if size is None:
        found = count_parameters(build())
        if found > budget:
            raise DeptError(f'{method}: budget={budget} is too small: it '
                            f'always learns {found:,} parameters.')
        return {}
    least, next_ = (count_parameters(build(**{size: n})) for n in (1, 2))
    each = next_ - least
    if not each:
        raise DeptError(f'{method}: its number of parameters, {least:,}, does '
                        f'not depend on {size}: leave budget out and choose '
                        'its size by other options.')
    if least > budget:
        known = ', '.join(f'{least + i * each:,} ({size}={i + 1})'
                          for i in range(3))
        raise DeptError(f'{method}: budget={budget} is too small. Possible '
                        f'numbers of parameters are {known}, and {each:,} '
                        'more for each further one.')
    return {size: 1 + (budget - least) // each}


def check_budget(prompts: Sequence, tuning: Mapping | None) -> None:
    """Refuse a budget of several methods, or of none."""
    count = len(prompts) + (tuning is not None)
    if count != 1:
        raise DeptError(f'budget sizes one prompt or tuning method, but '
                        f'there are {count}.')


def count_parameters(module: nn.Module) -> int:
    """Count the learned parameters of a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
