"""Read texts and labels from csv, tsv and jsonl files."""
from __future__ import annotations

import csv
import json
import os.path as osp
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.language.draws import (
    Share,
    draw_examples,
    draw_part,
    draw_shots,
)
from dept_mm.language.task import Task
from dept_mm.registry import DATASETS


@DATASETS.register_module()
class TextDataset(BaseDataset):
    """A data set whose samples are the rows of a csv, tsv or jsonl file.

    A sample consists of ``inputs``, a dict of its texts by name, and
    ``data_samples`` with ``gt_label`` or, in regression, ``gt_value``.

    Args:
        task (str | Mapping | Task): The task; see ``Task.resolve``.
        split (str): A split of the task's ``files``. Defaults to 'train'.
        ann_file (str): File to read instead of the split's. Defaults to ''.
        data_root (str): Folder of the file. Defaults to ''.
        part (tuple, optional): Start and end of the part to use when the rows
            are shuffled, as fractions (floats) or counts: ``(0, 0.5)`` is
            one half of a file and ``(0.5, None)`` the other, ``(1000, None)``
            leaves out 1000 rows. Defaults to None, all rows.
        num_examples (int, optional): Number of examples to draw; the class
            frequencies are kept. Defaults to None, all examples.
        skip (int): Number of examples that belong to another draw of
            ``num_examples`` with this seed: with 500, the examples are drawn
            from what ``num_examples=500`` leaves. Defaults to 0.
        num_shots (int, optional): Number of examples to draw per class.
            Defaults to None, all examples.
        seed (int): Seed of the draw. Defaults to 1.
        part_seed (int): Seed of the shuffle for ``part``. Defaults to 42, as
            in the public code.
        **kwargs: Arguments of mmengine's ``BaseDataset``.

    Raises:
        DeptError: If a file, column or label is missing, or a class has too
            few examples.

    Examples:
        >>> dataset = dict(
        ...     type='TextDataset', task='sst2', data_root='data/SST-2',
        ...     split='train', num_shots=16)
    """

    def __init__(self, task: str | Mapping | Task, split: str = 'train',
                 ann_file: str = '', data_root: str = '',
                 part: Sequence[Share] | None = None,
                 num_examples: int | None = None, skip: int = 0,
                 num_shots: int | None = None, seed: int = 1,
                 part_seed: int = 42, **kwargs) -> None:
        self.task = Task.resolve(task)
        if not ann_file and split not in self.task.files:
            raise DeptError(f'TextDataset: the task has no file for split '
                            f'{split!r}, only for {sorted(self.task.files)}; '
                            'give ann_file.')
        if num_examples and num_shots:
            raise DeptError('TextDataset: give num_examples or num_shots, not '
                            'both.')
        self.part, self.part_seed = part, part_seed
        self.num_examples, self.num_shots = num_examples, num_shots
        self.skip, self.seed = skip, seed
        super().__init__(ann_file=ann_file or self.task.files[split],
                         data_root=osp.expanduser(data_root),
                         metainfo=dict(classes=self.task.classes,
                                       measures=self.task.measures), **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the samples in the order of the file."""
        rows = [self._make_sample(row, f'{self.ann_file}, line {line}')
                for line, row in _read_rows(Path(self.ann_file),
                                            self.task.header)]
        rows = [row for row in rows if row['gt'] is not None]
        groups: dict[tuple, int] = {}
        for row in rows:
            key = tuple(row['texts'][name] for name in self.task.group)
            row['group'] = groups.setdefault(key, len(groups))
        if self.part is not None:
            rows = [rows[i] for i in draw_part(len(rows), self.part,
                                               self.part_seed)]
        rows = self._draw(rows)
        if not rows:
            raise DeptError(f'{self.ann_file}: no samples are left.')
        return rows

    def _make_sample(self, row: Mapping, where: str) -> dict:
        try:
            texts = {name: str(_get_column(row, column)).strip()
                     for name, column in self.task.columns.items()}
            value = _get_column(row, self.task.label)
        except (KeyError, TypeError) as error:
            raise DeptError(
                f'{where}: no column {error}; the columns are {sorted(row)}.'
            ) from error
        if not self.task.classes:
            return dict(texts=texts, gt=float(value))
        label = self.task.find_label(value)
        # SNLI and MNLI write '-' where the annotators disagree.
        if label is None and str(value).strip() != '-':
            raise DeptError(
                f'{where}: {self.task.label} is {value!r}, which is none of '
                f'{self.task.classes} and none of '
                f'{self.task.values or "their numbers"}.')
        return dict(texts=texts, gt=label)

    def _draw(self, rows: list[dict]) -> list[dict]:
        """Draw a few examples; the draw depends only on the seed."""
        labels = [row['gt'] if self.task.classes else None for row in rows]
        try:
            if self.num_examples:
                chosen = draw_examples(labels, self.num_examples, self.seed,
                                       self.skip)
            elif self.num_shots:
                chosen = draw_shots(labels, self.num_shots, self.seed)
            else:
                return rows
        except DeptError as error:
            raise DeptError(f'{self.ann_file}: {error}') from None
        return [rows[i] for i in chosen]

    def prepare_data(self, idx: int) -> dict:
        """Return one sample in the form that the model expects."""
        info = self.get_data_info(idx)
        sample = DataSample()
        if self.task.classes:
            sample.set_gt_label(info['gt'])
        else:
            sample.set_field(info['gt'], 'gt_value')
        sample.set_field(info['group'], 'group')
        return dict(inputs=info['texts'], data_samples=sample)


def _get_column(row: Mapping, name: str) -> Any:
    """Return the value of a column, or of a nested one, ``outer.inner``."""
    if name in row or '.' not in name:
        return row[name]
    outer, inner = name.split('.', 1)
    return _get_column(row[outer], inner)


def _read_rows(path: Path, header: Sequence[str]) -> list[tuple[int, Mapping]]:
    """Read the rows of a file with their line numbers.

    Args:
        path (Path): A csv, tsv or jsonl file.
        header (Sequence[str]): Columns, if the file has no header line.

    Raises:
        DeptError: If the file is missing or has another format.
    """
    if not path.is_file():
        raise DeptError(f'Text file not found: {path.absolute()}. Put it '
                        'there, or give its folder with --cfg-options '
                        'dataset.data_root=/path/to/data.')
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            if path.suffix in ('.jsonl', '.json'):
                return [(i, json.loads(line))
                        for i, line in enumerate(file, 1) if line.strip()]
            if path.suffix not in ('.csv', '.tsv'):
                raise DeptError(f'{path}: the file must end in .csv, .tsv or '
                                '.jsonl.')
            # In the tsv files of GLUE, quotes are part of the texts.
            dialect = (dict(delimiter='\t', quoting=csv.QUOTE_NONE)
                       if path.suffix == '.tsv' else {})
            table = csv.DictReader(file, header or None, **dialect)
            return [(table.line_num, row) for row in table]
    except (csv.Error, ValueError) as error:
        if isinstance(error, DeptError):
            raise
        raise DeptError(f'{path} cannot be read: {error}.') from error
