"""What the predictions of single images say about one data set."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from dept_mm.evaluation import HALVES
from dept_mm.reports.html._photos import Photos

MOST_ERRORS = 24
MOST_CLASSES = 8  # in a picture of confusions
MOST_PAIRS = 10
Records = Mapping[str, np.ndarray]  # row of the result -> records


def list_classes(results: Mapping[str, Mapping], names: Mapping[str, str]
                 ) -> list[dict]:
    """List the accuracy of each class in each row of a result.

    Args:
        results (Mapping): Row -> half -> counts.
        names (Mapping): Identity of a class -> its name, where it differs.

    Returns:
        list[dict]: ``name``, ``half``, ``total``, ``values`` in % by row, and
        ``change`` from the first row to the last, for each class.
    """
    found: dict[tuple, dict] = {}
    for row, halves in results.items():
        for half in HALVES:
            for key, (correct, total) in halves.get(half, {}).get(
                    'classes', {}).items():
                entry = found.setdefault((half, key), dict(
                    name=names.get(key, key), half=half, total=total,
                    values={}))
                entry['values'][row] = 100 * correct / total
    for entry in found.values():
        first, *_, last = [None, *entry['values'].values()][-2:] * 2
        entry['change'] = None if first is None else last - first
    return sorted(found.values(), key=lambda e: (
        e['change'] if e['change'] is not None else 0,
        list(e['values'].values())[-1]))


def count_confusions(records: Records, row: str, labels: Sequence[int]
                     ) -> tuple[list[dict], list[int], np.ndarray]:
    """Count which classes are taken for which others, the most frequent ones.

    Args:
        records (Mapping): Records of each row.
        row (str): The row that says what is frequent.
        labels (Sequence[int]): Classes to look at, those of a half.

    Returns:
        tuple: Pairs as dict(true, predicted, total, count), where ``count``
        is by row; some classes that are confused most; and the share of
        images of each that is taken for each, ``(C, C)``.
    """
    counts = {name: _count_pairs(found, labels)
              for name, found in records.items()}
    total = Counter(records[row]['label'].tolist())
    wrong = [(pair, n) for pair, n in counts[row].most_common()
             if pair[0] != pair[1]]
    pairs = [dict(true=pair[0], predicted=pair[1], total=total[pair[0]],
                  count={name: found[pair] for name, found in counts.items()})
             for pair, _ in wrong[:MOST_PAIRS]]
    classes: dict[int, None] = {}
    for pair, _ in wrong:
        if len({*classes, *pair}) <= MOST_CLASSES:
            classes.update(dict.fromkeys(pair))
    chosen = sorted(classes)
    matrix = np.array([[counts[row][a, b] / max(1, total[a]) for b in chosen]
                       for a in chosen])
    return pairs, chosen, matrix


def _count_pairs(found: np.ndarray, labels: Sequence[int]) -> Counter:
    found = found[np.isin(found['label'], labels)]
    return Counter(zip(found['label'].tolist(), found['top'][:, 0].tolist(),
                       strict=True))


def list_errors(records: Records, row: str, about: Mapping, photos: Photos
                ) -> list[dict]:
    """List the errors that the model is most confident of.

    Returns:
        list[dict]: ``true``, the name of the class; ``path``; ``photo``, a
        data URI or None; and ``guesses``: for each row the ``name``, its
        ``probability`` and the probability ``true`` of the true class.
    """
    own, names = records[row], about['classes']
    wrong = np.nonzero(own['top'][:, 0] != own['label'])[0]
    worst = wrong[np.argsort(-own['probability'][wrong, 0],
                             kind='stable')][:MOST_ERRORS]
    found = []
    for i in worst:
        index = int(own['index'][i])
        guesses = {
            name: dict(name=names[r['top'][i, 0]],
                       probability=float(r['probability'][i, 0]),
                       true=float(np.exp(r['log_true'][i])))
            for name, r in records.items()}
        path = about['images'][index]
        found.append(dict(
            true=names[own['label'][i]], path=path, guesses=guesses,
            photo=photos.thumbnail(index, path)))
    return found
