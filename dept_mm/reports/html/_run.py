"""The report of one run: what its page says."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dept_mm.evaluation import HALVES, harmonic_mean, read_result
from dept_mm.evaluation.predictions import read_predictions
from dept_mm.reports.html._curves import read_curves
from dept_mm.reports.html._details import (
    count_confusions,
    list_classes,
    list_errors,
)
from dept_mm.reports.html._figures import (
    draw_accuracies,
    draw_confusions,
    draw_curves,
    draw_reliability,
    draw_risk,
)
from dept_mm.reports.html._headline import write_headline
from dept_mm.reports.html._photos import Photos
from dept_mm.reports.html._recipe import (
    describe_cost,
    describe_recipe,
    list_commands,
)
from dept_mm.reports.summary import compute_wilson_interval

MEASURES = dict(nll='NLL', brier='Brier score', ece='ECE in %',
                adaptive_ece='adaptive ECE in %', aurc='AURC in %')
Figures = dict[str, str]  # name of the file -> SVG


def describe(folder: Path) -> tuple[dict, Figures]:
    """Collect what the page of a run says.

    Args:
        folder (Path): Has ``result.json``; its other files may be missing.

    Returns:
        tuple[dict, dict]: Values for ``run.html.j2``, and all figures.

    Raises:
        DeptError: If ``result.json`` or the predictions are faulty.
    """
    result = read_result(folder)
    # Validation by which a checkpoint was selected is no result.
    rows = {name: row for name, row in result['results'].items()
            if name != 'selection'}
    predictions, about = read_predictions(folder)
    datasets = list(dict.fromkeys(data for row in rows.values()
                                  for data in row))
    figures: Figures = {}
    parts = []
    for i, data in enumerate(datasets):
        measured = {name: row[data] for name, row in rows.items()
                    if data in row}
        records = {name: row[data] for name, row in predictions.items()
                   if data in row}
        config = _find_config(result) if i == 0 else None
        part, drawn = _describe_dataset(
            measured, records, about.get(data), config)
        parts.append(dict(part, name=data))
        prefix = f'{data}-' if len(datasets) > 1 else ''
        figures.update({f'{prefix}{key}': svg for key, svg in drawn.items()})
        part['figures'].update({key: f'{prefix}{key}' for key in drawn})
    losses, rates = read_curves(folder)
    if losses:
        figures['loss'] = draw_curves(losses, 'loss')
    if rates:
        figures['learning-rate'] = draw_curves(rates, 'learning rate')
    settings = result.get('settings')
    parts_of_title = filter(None, map(result.get, ('config', 'dataset')))
    return dict(
        title=' on '.join(parts_of_title) or folder.name,
        headline=write_headline(rows, result), datasets=parts,
        measures=MEASURES, recipe=describe_recipe(result),
        cost=describe_cost(result, folder),
        versions=result.get('versions') or {},
        settings=settings and json.dumps(settings, indent=1),
        commands=list(list_commands(result, folder))), figures


def _find_config(result: Mapping) -> Mapping | None:
    """Find the config of the images that the model was measured on."""
    loaders = result.get('settings') or {}
    phase = ('test' if {'tested', 'selection'} & result['results'].keys()
             else 'val')
    return (loaders.get(f'{phase}_dataloader') or {}).get('dataset')


def _describe_dataset(measured: Mapping[str, Mapping],
                      records: Mapping[str, np.ndarray],
                      about: Mapping | None, config: Mapping | None
                      ) -> tuple[dict, Figures]:
    """Collect what a page says of one data set."""
    table = tabulate(measured)
    names = dict(zip(about['ids'], about['classes'], strict=True)
                 ) if about else {}
    part: dict[str, Any] = dict(
        rows=list(measured), table=table, figures={},
        classes=list_classes(measured, names),
        calibration=[dict(half=half, key=key, cells={
            name: row[half][key] for name, row in measured.items()
            if key in row.get(half, {})}) for half in HALVES
            for key in MEASURES if any(
                key in row.get(half, {}) for row in measured.values())])
    figures: Figures = {}
    spans = [dict(label=line['label'], cells={
        name: (cell['value'], *cell['interval'])
        for name, cell in line['cells'].items() if cell['interval']})
        for line in table]
    if any(line['cells'] for line in spans):
        figures['accuracy'] = draw_accuracies(
            [line for line in spans if line['cells']])
    if about and records:
        row = list(records)[-1]
        base = set(about['base'])
        part.update(confusions=[], photos=None, errors=list_errors(
            records, row, about, Photos(config)))
        for half in HALVES:
            labels = [y for y in range(len(about['classes']))
                      if (y in base) == (half == 'base')]
            mine = np.isin(records[row]['label'], labels)
            if mine.any():
                figures.update(_draw_half(
                    half, {k: r[np.isin(r['label'], labels)]
                           for k, r in records.items()},
                    measured, row, labels, about, part))
    return part, figures


def _draw_half(half: str, records: Mapping[str, np.ndarray],
               measured: Mapping, row: str, labels: list[int],
               about: Mapping, part: dict) -> Figures:
    """Draw what there is for each half, and add its confusions to ``part``."""
    names = about['classes']
    title = f'{half} classes' if len(labels) < len(names) else 'all classes'
    found = {f'reliability-{half}': draw_reliability(
        records, {k: measured[k][half]['ece'] for k in records}, title),
        f'risk-{half}': draw_risk(records, title)}
    pairs, chosen, matrix = count_confusions(records, row, labels)
    part['confusions'] += [dict(pair, true=names[pair['true']],
                                predicted=names[pair['predicted']])
                           for pair in pairs]
    if chosen:
        found[f'confusion-{half}'] = draw_confusions(
            matrix, [names[y] for y in chosen], title)
    return found


def tabulate(measured: Mapping[str, Mapping]) -> list[dict]:
    """Tabulate accuracies with their 95 % intervals, or metrics of a task.

    Args:
        measured (Mapping): Row of the result -> counts by half, or metrics.

    Returns:
        list[dict]: ``label``, ``total`` (images, or None) and ``cells``,
        which maps a row of the result to dict(value, interval).
    """
    halves = [half for half in HALVES
              if any(half in row for row in measured.values())]
    lines = []
    for half in halves:
        found = {k: row[half] for k, row in measured.items() if half in row}
        lines.append(dict(
            label=half if len(halves) > 1 else 'accuracy',
            total=next(iter(found.values()))['total'],
            cells={k: dict(
                value=100 * counts['correct'] / counts['total'],
                interval=compute_wilson_interval(counts['correct'],
                                                 counts['total']))
                for k, counts in found.items()}))
    if len(lines) == 2:
        lines.append(dict(label='H', total=None, cells={
            k: dict(value=_harmonic(lines, k), interval=tuple(
                _harmonic(lines, k, end) for end in (0, 1)))
            for k in lines[0]['cells'] if k in lines[1]['cells']}))
    known = {'accuracy'} if lines else set()
    metrics = dict.fromkeys(key for row in measured.values()
                            for key in row.get('metrics') or {})
    lines += [dict(label=key, total=None, cells={
        k: dict(value=row['metrics'][key], interval=None)
        for k, row in measured.items() if key in (row.get('metrics') or {})})
        for key in metrics if key not in known]
    return lines


def _harmonic(lines: list[dict], row: str, end: int | None = None) -> float:
    """Return H of two accuracies, or of the same ends of their intervals."""
    return harmonic_mean(*(
        line['cells'][row]['value'] if end is None else
        line['cells'][row]['interval'][end] for line in lines[:2]))
