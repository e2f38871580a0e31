"""Find the rank at which a method has as many parameters as a soft prompt."""
from __future__ import annotations

from dept_mm.errors import DeptError


def find_rank(owner: str, rank: int | str, width: int, fixed: int,
              per_rank: int) -> int:
    """Find the rank that an option asks for.

    Args:
        owner (str): The module's class; for messages.
        rank (int | str): The rank itself, or ``'match:l'``: the largest at
            which the module has at most the ``l * width`` parameters of a
            soft prompt of ``l`` tokens.
        width (int): Of a token.
        fixed (int): Parameters that do not depend on the rank.
        per_rank (int): Parameters that each rank adds.

    Raises:
        DeptError: If the option is no such thing, or no rank fits.
    """
    if isinstance(rank, int):
        if rank >= 0:
            return rank
    elif rank.startswith('match:') and rank[6:].isdecimal():
        found = (int(rank[6:]) * width - fixed) // per_rank
        if found >= 1:
            return found
        raise DeptError(
            f'{owner}: rank={rank!r} leaves no room for rank 1: {fixed} of '
            f'{int(rank[6:]) * width} parameters are taken and a rank costs '
            f'{per_rank}. Lower num_tokens or match a longer prompt.')
    raise DeptError(f"{owner}: rank is {rank!r}; give a number or 'match:l', "
                    'the length of the soft prompt to be as small as.')
