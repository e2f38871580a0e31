"""Reading the feature store, and computing what is missing in it."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from torch import Tensor

from dept_mm.engine.feature_store.file import Unusable, wait_for_lock, write
from dept_mm.engine.feature_store.processes import run_in_all_processes
from dept_mm.engine.feature_store.view import View
from dept_mm.errors import DeptError


def read_or_compute(views: Sequence[View], compute: Callable[[View], Tensor]
                    ) -> list[Tensor]:
    """Read the features of views, and compute those that are missing or
    unusable.

    The processes of a run share the work. They work in rounds of one view
    each, so that none waits long, and all of them stop if one fails.

    Args:
        views (Sequence[View]): The views, the same ones in every process.
        compute (Callable): Computes the features ``(N, D)`` of a view.

    Returns:
        list[Tensor]: The features ``(N, D)`` of each view.

    Raises:
        DeptError: If a process fails, or if the files cannot be read or
            written.
    """
    rank, world = get_dist_info()
    # Only the first process checks: on a network file system, a process that
    # looks too early may keep seeing a file as absent.
    found = run_in_all_processes(
        lambda: ([view.path.name for view in views],
                 _find_missing(views) if rank == 0 else None))
    if any(names != found[0][0] for names, _ in found):
        raise DeptError('Feature store: the processes of this run see '
                        'different images or library versions. Give all '
                        'of them the same data and environment.')
    missing = found[0][1]
    for start in range(0, len(missing), world):
        mine = missing[start:start + world][rank:rank + 1]
        # None: the features themselves are not sent around.
        run_in_all_processes(lambda mine=mine: [
            _make_file(views[i], compute) for i in mine] and None)
    tensors: list[Tensor] = []
    run_in_all_processes(lambda: tensors.extend(map(_read_again, views)))
    return tensors


def _find_missing(views: Sequence[View]) -> list[int]:
    """Return the positions of the views to compute, once per file."""
    places = {view.path: i for i, view in reversed(list(enumerate(views)))}
    return [i for i in sorted(places.values()) if not _is_usable(views[i])]


def _is_usable(view: View) -> bool:
    try:
        view.read()
        return True
    except Unusable as error:
        if view.path.exists():
            print_log(f'Feature store: {view.path} is {error}; it is computed '
                      'again.', logger='current', level=logging.WARNING)
        return False


def _make_file(view: View, compute: Callable[[View], Tensor]) -> None:
    """Compute a view's file, unless another run has done so meanwhile."""
    with wait_for_lock(view.path):
        if not _is_usable(view):  # another run may have made it
            write(view.path, compute(view), view.full_key, *view.beside())


def _read_again(view: View) -> Tensor:
    """Read a file that must be usable by now."""
    try:
        return view.read()
    except Unusable as error:
        raise DeptError(
            f'Feature store: {view.path} is {error}, although it was just '
            'checked. All processes of a run must see the same folder, and '
            'nothing may delete files in it: see FeatureStoreHook(root=...).'
        ) from error
