"""The sentence that says what came out of a run."""
from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

from dept_mm.evaluation import HALVES, accuracy, harmonic_mean

Values = Mapping[str, float]


def write_headline(rows: Mapping[str, Mapping], result: Mapping) -> str:
    """Say in one sentence what a run has achieved.

    Args:
        rows (Mapping): Row of the result -> data set -> counts or metrics.
        result (Mapping): Content of ``result.json``.
    """
    if not rows:
        return 'This run has not been evaluated.'
    name = next((n for n in ('tuned', 'tested') if n in rows), list(rows)[-1])
    found, where = _average(rows[name], result.get('dataset'))
    if not found:
        return 'This run has not been evaluated.'
    before = _average(rows.get('zero-shot', {}), result.get('dataset'))[0]
    if set(found) <= set(HALVES):
        return _compare(found, before, where)
    return 'The model reaches ' + ', '.join(
        f'{key.replace("_", " ")} {value:.2f}'
        for key, value in found.items()) + f'{where}.'


def _average(row: Mapping[str, Mapping], own: str | None
             ) -> tuple[dict[str, float], str]:
    """Average a row over its data sets other than the one trained on.

    Returns:
        tuple[dict, str]: Metric -> value, and where it was measured.
    """
    others = [data for data in row if data != own] or list(row)
    series: dict[str, list[float]] = {}
    for data in others:
        values = row[data].get('metrics') or {
            half: accuracy(row[data][half]) for half in HALVES
            if half in row[data]}
        for key, value in values.items():
            series.setdefault(key, []).append(value)
    where = f' on average over {len(others)} data sets' * (len(others) > 1)
    return {key: mean(values) for key, values in series.items()}, where


def _compare(found: Values, before: Values, where: str) -> str:
    """Say what tuning changes, or without zero-shot CLIP, what there is."""
    halves = [half for half in HALVES if half in found]
    both = len(halves) == 2
    if not all(half in before for half in halves):
        text = ' and '.join(
            f"{found[half]:.1f} % of the {half} classes' images" if both else
            f'{found[half]:.1f} % of the images' for half in halves)
        h = f' (H {harmonic_mean(**found):.1f})' if both else ''
        return f'The model recognises {text}{h}{where}.'
    start, after = ((harmonic_mean(*(v[h] for h in halves)) if both
                     else v[halves[0]]) for v in (before, found))
    what = 'H' if both else 'accuracy'
    text = (f'lifts {what} from {start:.1f} to {after:.1f}'
            if after - start > .05 else
            f'lowers {what} from {start:.1f} to {after:.1f}'
            if after - start < -.05 else f'leaves {what} at {after:.1f}')
    parts = ', '.join(f'{half} classes {before[half]:.1f} → {found[half]:.1f}'
                      for half in halves)
    return f'Tuning {text} %{where}' + (f': {parts}.' if both else '.')
