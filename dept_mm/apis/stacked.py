"""Several trainings as one batch."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from dept_mm.engine.lockstep import Ask, lockstep
from dept_mm.models.clip.stacked_text import answer, asking


def train_stacked(trainings: Sequence[Callable[[], object]]
                  ) -> list[BaseException | None]:
    """Run several trainings in one process, step by step together.

    Text features of prompted sentences, and their gradients, are computed as
    one batch wherever models score the same classes by the same CLIP at the
    same time; all else is done in turns. So each training may be anything
    that trains alone, e.g. ``build_runner(cfg).train``, with any hooks, and
    ends with the same numbers, up to the order of sums.

    Args:
        trainings (Sequence[Callable]): Each builds its model itself, since
            it starts from random numbers of its own.

    Returns:
        list[BaseException | None]: What each raised; the others go on.
    """
    def train(training: Callable[[], object], ask: Ask) -> None:
        with asking(ask):
            training()

    return lockstep([partial(train, t) for t in trainings], answer)
