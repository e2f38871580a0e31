"""Making what is missing in a feature store."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from torch import Tensor

from dept_mm.engine.feature_store.file import Unusable, locked, write
from dept_mm.engine.feature_store.together import together
from dept_mm.engine.feature_store.view import View
from dept_mm.errors import DeptError


def ensure(views: Sequence[View], compute: Callable[[View], Tensor]
           ) -> list[Tensor]:
    """Read views, computing those that are missing or unusable.

    The processes of a run share the work. They take it up in rounds of one
    view each, so that none waits long, and none for one that failed.

    Args:
        views (Sequence[View]): The same in every process.
        compute (Callable): Gives the features ``(N, D)`` of a view.

    Raises:
        DeptError: If a process fails, or cannot read or write the files.
    """
    rank, world = get_dist_info()
    # Only the first process looks: a network file system may go on saying
    # that a file is absent to those who looked too early.
    found = together(lambda: ([view.path.name for view in views],
                              _missing(views) if rank == 0 else None))
    if any(names != found[0][0] for names, _ in found):
        raise DeptError('Feature store: the processes of this run see '
                        'different images, or other library versions.')
    missing = found[0][1]
    for start in range(0, len(missing), world):
        mine = missing[start:start + world][rank:rank + 1]
        together(lambda mine=mine: [_make(views[i], compute) for i in mine]
                 and None)
    tensors: list[Tensor] = []
    together(lambda: tensors.extend(map(_open, views)))
    return tensors


def _missing(views: Sequence[View]) -> list[int]:
    """Positions of the views to be made; each file counts once."""
    places = {view.path: i for i, view in reversed(list(enumerate(views)))}
    return [i for i in sorted(places.values()) if not _usable(views[i])]


def _usable(view: View) -> bool:
    try:
        view.read()
        return True
    except Unusable as error:
        if view.path.exists():
            print_log(f'Feature store: {view.path} is {error}; it is made '
                      'anew.', logger='current', level=logging.WARNING)
        return False


def _make(view: View, compute: Callable[[View], Tensor]) -> None:
    with locked(view.path):
        if not _usable(view):  # another run may have made it by now
            write(view.path, compute(view), view.full_key)


def _open(view: View) -> Tensor:
    try:
        return view.read()
    except Unusable as error:
        raise DeptError(
            f'Feature store: {view.path} is {error}, although it was just '
            'checked. All processes of a run must see the same folder, and '
            'nothing may delete from it: see FeatureStoreHook(root=...).'
        ) from error
