"""Describe a text task: its columns, its answers, and how to ask a model."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from string import Formatter

from dept_mm.errors import DeptError
from dept_mm.language.layouts import LAYOUTS
from dept_mm.language.presets import TASKS


@dataclass(frozen=True)
class Task:
    """The columns, answers and sentences of a task on texts.

    The answer is a class, a value (regression), or a text.

    A *template* is a sentence into which the texts are filled. A *label word*
    is the word that answers it for one class.

    Args:
        columns (Mapping): The column of each text, by the name that templates
            use for the text. ``outer.inner`` is a nested column of a jsonl
            file.
        classes (tuple[str]): Class names in label order; empty for
            regression and for text answers.
        answers (str): The column that lists the accepted answers, if answers
            are texts. The first is the one to learn.
        all_answers (bool): Whether each accepted answer of a training sample
            makes a sample of its own. Defaults to False.
        label (str): The column of the label. Defaults to 'label'.
        values (tuple[str], optional): What the label column contains for each
            class. Defaults to ``0``, ``1``, ...; class names are accepted
            too.
        template (str): A sentence with the names of ``columns`` in braces
            and ``{mask}`` in place of the answer.
        words (tuple[str]): The label word of each class.
        causal (str, optional): The template of a causal language model, which
            must not begin with the answer. Defaults to ``template``.
        source (str, optional): The template of a sequence-to-sequence model.
            Defaults to ``name: text`` for each column, as T5 was trained.
        files (Mapping): The file of each split.
        hub (Mapping): Arguments ``path``, ``name`` and ``splits`` of
            ``hub.read_hub``, by which the library ``datasets`` finds the data,
            and entries of the task that differ there.
        layout (str): How records become rows; see ``LAYOUTS``. Defaults to
            'plain', one row each.
        header (tuple[str]): Columns of a file that has no header line.
        step (float, optional): In regression, answers are rounded to
            multiples of it.
        measures (tuple[str]): See ``LanguageMetric``. Defaults to accuracy.
        group (tuple[str]): Columns; rows in which these are equal belong
            together, such as the answers to one question.

    Raises:
        DeptError: If these arguments contradict each other.

    Examples:
        >>> task = dict(
        ...     columns=dict(text='body'), label='urgent',
        ...     classes=('no', 'yes'), words=('No', 'Yes'),
        ...     template='{text} Urgent : {mask} .')
        >>> task = dict(base='sst2', words=('bad', 'good'))
    """
    columns: Mapping[str, str]
    classes: tuple[str, ...] = ()
    answers: str = ''
    all_answers: bool = False
    label: str = 'label'
    values: tuple[str, ...] = ()
    template: str = ''
    words: tuple[str, ...] = ()
    causal: str = ''
    source: str = ''
    files: Mapping[str, str] = field(default_factory=dict)
    hub: Mapping = field(default_factory=dict)
    layout: str = 'plain'
    header: tuple[str, ...] = ()
    step: float | None = None
    measures: tuple[str, ...] = ('accuracy', )
    group: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ('classes', 'values', 'words', 'header', 'measures',
                    'group'):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        count = len(self.classes)
        for key in ('values', 'words'):
            found = getattr(self, key)
            if found and len(found) != count:
                raise DeptError(f'task.{key} has {len(found)} entries for '
                                f'{count} classes: {found}.')
        if self.answers and self.classes:
            raise DeptError('task: give answers or classes, not both.')
        if self.layout not in LAYOUTS:
            raise DeptError(f'task.layout {self.layout!r} is unknown: choose '
                            f'one of {sorted(LAYOUTS)}.')
        known = {*self.columns, 'mask', 'sep'}
        for text in (self.template, self.causal, self.source):
            unknown = {name for _, name, _, _ in Formatter().parse(text)
                       if name is not None} - known
            if unknown:
                raise DeptError(f'task: {sorted(unknown)} in {text!r} are '
                                f'no columns; known are {sorted(known)}.')
        if not self.source:
            object.__setattr__(self, 'source', ' '.join(
                f'{name}: {{{name}}}' for name in self.columns))

    @classmethod
    def resolve(cls, given: str | Mapping | Task) -> Task:
        """Build a task from whatever a config may contain.

        Args:
            given (str | Mapping | Task): A task, the name of a task in
                ``presets``, a dict of the arguments of this class, or the
                config of a data set with a ``task``. A dict may name a known
                task as ``base`` and replace some of its entries.

        Raises:
            DeptError: If the task or an entry is unknown.
        """
        if isinstance(given, Task):
            return given
        if isinstance(given, Mapping) and 'task' in given:
            return cls.resolve(given['task'])
        given = dict(base=given) if isinstance(given, str) else dict(given)
        base = given.pop('base', None)
        if base is not None and base not in TASKS:
            raise DeptError(f'task {base!r} is unknown: choose one of '
                            f'{sorted(TASKS)}, or describe it with columns, '
                            'classes and template.')
        options = {**TASKS.get(base, {}), **given}
        unknown = options.keys() - {f.name for f in fields(cls)}
        if unknown or 'columns' not in options:
            raise DeptError(f'task: unknown entries {sorted(unknown)}.'
                            if unknown else 'task: columns are missing.')
        return cls(**options)

    def on_hub(self) -> Task:
        """Return the task as the library ``datasets`` presents it.

        Raises:
            DeptError: If the task does not say where the library finds it.
        """
        if 'path' not in self.hub:
            raise DeptError("source='hub': the task does not say where; give "
                            "task.hub=dict(path='NAME').")
        own = {f.name for f in fields(self)}
        return replace(self, **{key: value for key, value in self.hub.items()
                                if key in own})

    def find_label(self, value: object) -> int | None:
        """Find the label of a value in the label column, or return None."""
        text = str(value).strip()
        for names in (self.values, self.classes,
                      tuple(map(str, range(len(self.classes))))):
            if text in names:
                return names.index(text)
        return None
