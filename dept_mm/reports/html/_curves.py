"""Losses and learning rates that a run has logged."""
from __future__ import annotations

import json
from pathlib import Path

Curve = tuple[list[int], list[float]]


def read_curves(folder: Path) -> tuple[dict[str, Curve], dict[str, Curve]]:
    """Read what MMEngine's ``LocalVisBackend`` has logged of a training.

    A resumed run has a log for each part. Where two parts tell of the same
    step, as after a crash, the later one counts.

    Returns:
        tuple[dict, dict]: Losses and learning rates: name -> steps, values.
    """
    steps: dict[int, dict] = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut off when the run was killed
                continue
            if 'loss' in entry:
                steps[entry['step']] = entry
    found = [steps[step] for step in sorted(steps)]
    losses = [key for key in (found or [{}])[-1] if key.startswith('loss')]
    return _pick(found, losses), _pick(found, ['lr'])


def _pick(entries: list[dict], keys: list[str]) -> dict[str, Curve]:
    curves = {key: ([e['step'] for e in entries if key in e],
                    [e[key] for e in entries if key in e]) for key in keys}
    return {key: curve for key, curve in curves.items() if curve[0]}
