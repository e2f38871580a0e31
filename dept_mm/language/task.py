"""What a text data set is about, and how a language model is asked."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from string import Formatter

from dept_mm.errors import DeptError
from dept_mm.language.presets import TASKS


@dataclass(frozen=True)
class Task:
    """Columns, classes and sentences of a task.

    Args:
        columns (Mapping): Name of a text in templates -> its column, or
            ``outer.inner`` of a jsonl file.
        classes (tuple[str]): Class names in label order; none for
            regression.
        label (str): The column of the label.
        values (tuple[str], optional): What that column holds for each
            class. Defaults to ``0``, ``1``, ...; class names will do too.
        template (str): A sentence with the names of ``columns`` in braces
            and ``{mask}`` where the answer stands.
        words (tuple[str]): The answer for each class.
        source (str, optional): What a sequence-to-sequence model reads.
            Defaults to ``name: text`` for each column, as T5 was trained.
        files (Mapping): Split -> file.
        header (tuple[str]): Columns of a file without a first line.
        step (float, optional): Regression: answers are rounded to it.
        measures (tuple[str]): See ``LanguageMetric``.

    Raises:
        DeptError: If these do not fit together.
    """
    columns: Mapping[str, str]
    classes: tuple[str, ...] = ()
    label: str = 'label'
    values: tuple[str, ...] = ()
    template: str = ''
    words: tuple[str, ...] = ()
    source: str = ''
    files: Mapping[str, str] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    step: float | None = None
    measures: tuple[str, ...] = ('accuracy', )

    def __post_init__(self) -> None:
        for key in ('classes', 'values', 'words', 'header', 'measures'):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        count = len(self.classes)
        for key in ('values', 'words'):
            found = getattr(self, key)
            if found and len(found) != count:
                raise DeptError(f'task.{key} has {len(found)} entries for '
                                f'{count} classes: {found}.')
        known = {*self.columns, 'mask', 'sep'}
        for text in (self.template, self.source):
            unknown = {name for _, name, _, _ in Formatter().parse(text)
                       if name is not None} - known
            if unknown:
                raise DeptError(f'task: {sorted(unknown)} in {text!r} are '
                                f'no columns; there are {sorted(known)}.')
        if not self.source:
            object.__setattr__(self, 'source', ' '.join(
                f'{name}: {{{name}}}' for name in self.columns))

    @classmethod
    def resolve(cls, given: str | Mapping | Task) -> Task:
        """A task from its name, from its config or that of its data set, or
        itself. In a config, ``base`` names a known task whose entries are
        replaced.

        Raises:
            DeptError: If there is no such task or entry.
        """
        if isinstance(given, Task):
            return given
        if isinstance(given, Mapping) and 'task' in given:
            return cls.resolve(given['task'])
        given = dict(base=given) if isinstance(given, str) else dict(given)
        base = given.pop('base', None)
        if base is not None and base not in TASKS:
            raise DeptError(f'task {base!r} is unknown: choose one of '
                            f'{sorted(TASKS)}, or describe it by columns, '
                            'classes and template.')
        options = {**TASKS.get(base, {}), **given}
        unknown = options.keys() - {f.name for f in fields(cls)}
        if unknown or 'columns' not in options:
            raise DeptError(f'task: unknown entries {sorted(unknown)}.'
                            if unknown else 'task: columns are missing.')
        return cls(**options)

    def class_of(self, value: object) -> int | None:
        """Label of a value of the label column; None if it is none."""
        text = str(value).strip()
        for names in (self.values, self.classes,
                      tuple(map(str, range(len(self.classes))))):
            if text in names:
                return names.index(text)
        return None
