"""Texts of a table."""
from __future__ import annotations

import csv
import json
import os.path as osp
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.language.task import Task
from dept_mm.registry import DATASETS

Share = float | int | None


@DATASETS.register_module()
class TextDataset(BaseDataset):
    """Rows of a csv, tsv or jsonl file.

    A sample is ``inputs``, its texts by name, and ``data_samples`` with
    ``gt_label``, or ``gt_value`` of a regression task.

    Args:
        task (str | Mapping | Task): See ``Task.resolve``.
        split (str): One of the task's ``files``. Defaults to 'train'.
        ann_file (str): Another file. Defaults to the split's.
        data_root (str): Its folder.
        part (tuple, optional): From where to where in a random order, as
            shares (floats) or counts, e.g. ``(0, 0.5)`` for half of a file
            and ``(0.5, None)`` for the other, ``(1000, None)`` for all but
            1000. Defaults to all.
        num_examples (int, optional): Draw so many: classes as frequent as
            in the part. Defaults to all.
        num_shots (int, optional): Draw so many of each class.
        seed (int): Of the draw. Defaults to 1.
        part_seed (int): Of the order that ``part`` divides; the public code
            has 42. Defaults to 42.
        **kwargs: Of mmengine's ``BaseDataset``.

    Raises:
        DeptError: If file, column or label is not there.
    """

    def __init__(self, task: str | Mapping | Task, split: str = 'train',
                 ann_file: str = '', data_root: str = '',
                 part: Sequence[Share] | None = None,
                 num_examples: int | None = None,
                 num_shots: int | None = None, seed: int = 1,
                 part_seed: int = 42, **kwargs) -> None:
        self.task = Task.resolve(task)
        if not ann_file and split not in self.task.files:
            raise DeptError(f'TextDataset: the task has no file for split '
                            f'{split!r}, only for {sorted(self.task.files)}; '
                            'give ann_file.')
        if num_examples and num_shots:
            raise DeptError('TextDataset: num_examples or num_shots, not '
                            'both.')
        self.part, self.part_seed = part, part_seed
        self.num_examples, self.num_shots = num_examples, num_shots
        self.seed = seed
        super().__init__(ann_file=ann_file or self.task.files[split],
                         data_root=osp.expanduser(data_root),
                         metainfo=dict(classes=self.task.classes,
                                       measures=self.task.measures), **kwargs)

    def load_data_list(self) -> list[dict]:
        """Samples in the file's order."""
        rows = [self._sample(row, f'{self.ann_file}, line {line}')
                for line, row in _read(Path(self.ann_file),
                                       self.task.header)]
        rows = [row for row in rows if row['gt'] is not None]
        if self.part is not None:
            order = list(range(len(rows)))
            random.Random(self.part_seed).shuffle(order)
            start, stop = (int(at * len(rows)) if isinstance(at, float)
                           else at for at in self.part)
            rows = [rows[i] for i in sorted(order[start:stop])]
        rows = self._draw(rows)
        if not rows:
            raise DeptError(f'{self.ann_file}: no samples are left.')
        return rows

    def _sample(self, row: Mapping, where: str) -> dict:
        try:
            texts = {name: str(_column(row, column)).strip()
                     for name, column in self.task.columns.items()}
            value = _column(row, self.task.label)
        except (KeyError, TypeError) as error:
            raise DeptError(
                f'{where}: no column {error}; there are {sorted(row)}.'
            ) from error
        if not self.task.classes:
            return dict(texts=texts, gt=float(value))
        label = self.task.class_of(value)
        if label is None and str(value).strip() != '-':  # no agreement
            raise DeptError(
                f'{where}: {self.task.label} is {value!r}, which is none of '
                f'{self.task.classes} and none of '
                f'{self.task.values or "their numbers"}.')
        return dict(texts=texts, gt=label)

    def _draw(self, rows: list[dict]) -> list[dict]:
        """Few examples; the draw does not depend on anything but the seed."""
        if not (self.num_examples or self.num_shots):
            return rows
        draw = random.Random(self.seed)
        groups = defaultdict(list)
        for i, row in enumerate(rows):
            groups[row['gt'] if self.task.classes else 0].append(i)
        counts = {label: self.num_shots for label in groups}
        if self.num_examples:
            counts = _shares({k: len(v) for k, v in groups.items()},
                             self.num_examples)
        chosen = []
        for label, found in sorted(groups.items()):
            if len(found) < counts[label]:
                raise DeptError(
                    f'{self.ann_file}: {counts[label]} examples of class '
                    f'{label} are wanted, {len(found)} are there.')
            chosen += draw.sample(found, counts[label])
        return [rows[i] for i in sorted(chosen)]

    def prepare_data(self, idx: int) -> dict:
        """One sample as the model takes it."""
        info = self.get_data_info(idx)
        sample = DataSample()
        if self.task.classes:
            sample.set_gt_label(info['gt'])
        else:
            sample.set_field(info['gt'], 'gt_value')
        return dict(inputs=info['texts'], data_samples=sample)


def _shares(sizes: Mapping[int, int], total: int) -> dict[int, int]:
    """Largest remainders: ``total`` divided as ``sizes`` are."""
    whole = sum(sizes.values())
    exact = {k: total * n / whole for k, n in sizes.items()}
    found = {k: int(x) for k, x in exact.items()}
    by_rest = sorted(exact, key=lambda k: (found[k] - exact[k], k))
    for k in by_rest[:total - sum(found.values())]:
        found[k] += 1
    return found


def _column(row: Mapping, name: str) -> Any:
    """A column, or ``outer.inner`` of nested ones."""
    if name in row or '.' not in name:
        return row[name]
    outer, inner = name.split('.', 1)
    return _column(row[outer], inner)


def _read(path: Path, header: Sequence[str]) -> list[tuple[int, Mapping]]:
    """Rows with their line numbers.

    Raises:
        DeptError: If the file is not there, or of another kind.
    """
    if not path.is_file():
        raise DeptError(f'Text file not found: {path.absolute()}. Put it '
                        'there, or say where it is with --cfg-options '
                        'dataset.data_root=/path/to/data.')
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            if path.suffix in ('.jsonl', '.json'):
                return [(i, json.loads(line))
                        for i, line in enumerate(file, 1) if line.strip()]
            if path.suffix not in ('.csv', '.tsv'):
                raise DeptError(f'{path}: known are .csv, .tsv and .jsonl.')
            # Quotes of GLUE's tsv files are part of the texts.
            dialect = (dict(delimiter='\t', quoting=csv.QUOTE_NONE)
                       if path.suffix == '.tsv' else {})
            table = csv.DictReader(file, header or None, **dialect)
            return [(table.line_num, row) for row in table]
    except (csv.Error, ValueError) as error:
        if isinstance(error, DeptError):
            raise
        raise DeptError(f'{path} cannot be read: {error}.') from error
