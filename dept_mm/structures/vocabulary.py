"""Describe the classes that a model scores."""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS


@dataclass(frozen=True)
class Vocabulary:
    """A list of classes, its base classes, and templates for their texts.

    *Base* classes are those that a model is tuned on. Two vocabularies are
    matched by the *identity* of their classes, never by position. The
    identity is the class name or, where two classes may share a name, an
    entry of ``ids`` (such as ImageNet's WordNet ids).

    Args:
        names (tuple[str]): Class names in label order, in plain language;
            ``_`` counts as a space.
        base (tuple[str], optional): Identities of the base classes. Defaults
            to all classes.
        templates (tuple[str]): Hand-written sentences with ``{}`` for the
            class name. Defaults to 'a photo of a {}.'.
        ids (tuple[str], optional): Identities in label order. Defaults to
            ``names``.

    Raises:
        DeptError: If the list is empty, an identity occurs twice, a base
            class is unknown, or a template has no ``{}``.

    Examples:
        >>> vocabulary = dict(names=['cat', 'dog', 'cow'], base=['cat'])
    """
    names: tuple[str, ...]
    base: tuple[str, ...] | None = None
    templates: tuple[str, ...] = ('a photo of a {}.', )
    ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        templates = self.templates
        if isinstance(templates, str):
            templates = (templates, )
        freeze = object.__setattr__
        freeze(self, 'names', tuple(self.names))
        freeze(self, 'templates', tuple(templates))
        for field, default in (('ids', 'names'), ('base', 'ids')):
            given = getattr(self, field)
            given = getattr(self, default) if given is None else given
            freeze(self, field, tuple(given))
        self._check()

    def _check(self) -> None:
        if not self.names:
            raise DeptError('The class list is empty.')
        if len(self.ids) != len(self.names):
            raise DeptError(f'{len(self.ids)} class ids for '
                            f'{len(self.names)} class names.')
        for what, ids in (('class', self.ids), ('base class', self.base)):
            twice = sorted(i for i, n in Counter(ids).items() if n > 1)
            if twice:
                raise DeptError(f'Each {what} must be listed once; listed '
                                f'more than once: {twice}.')
        unknown = sorted(set(self.base) - set(self.ids))
        if unknown:
            raise DeptError(f'These base classes are not in the class list: '
                            f'{unknown}.')
        for template in self.templates:
            if '{}' not in template:
                raise DeptError(f"Template {template!r} has no '{{}}' for "
                                'the class name.')

    def __len__(self) -> int:
        return len(self.names)

    @property
    def base_labels(self) -> list[int]:
        """Labels of the base classes, in the order of ``base``."""
        label = {key: i for i, key in enumerate(self.ids)}
        return [label[key] for key in self.base]

    @property
    def new_labels(self) -> list[int]:
        """Labels of all other classes, in label order."""
        base = set(self.base)
        return [i for i, key in enumerate(self.ids) if key not in base]

    def with_names(self, names: Sequence[str], also: bool = False
                   ) -> Vocabulary:
        """Build a vocabulary of other names.

        A name of this vocabulary, whether written with capitals or ``_``,
        keeps the identity of its class if only one class has it.

        Args:
            names (Sequence[str]): The names.
            also (bool): Whether they join the classes of this vocabulary.
                Defaults to False.

        Raises:
            DeptError: If a name is empty or listed twice.
        """
        if isinstance(names, str):
            raise DeptError(f'The class names are {names!r}; give a list of '
                            'names.')
        if not all(isinstance(name, str) and _plain(name) for name in names):
            raise DeptError(f'A class name is empty: {list(names)}.')
        count = Counter(map(_plain, self.names))
        known = {_plain(name): key for name, key
                 in zip(self.names, self.ids, strict=True)
                 if count[_plain(name)] == 1}
        ids = tuple(known.get(_plain(name), name) for name in names)
        names = tuple(names)
        if also:
            names, ids = self.names + names, self.ids + ids
        return Vocabulary(names, templates=self.templates, ids=ids)

    def to_dict(self) -> dict:
        """Convert to plain lists and strings.

        ``Vocabulary(**vocabulary.to_dict())`` is the inverse.
        """
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_metainfo(cls, meta: Mapping) -> Vocabulary:
        """Build a vocabulary from the ``metainfo`` of a data set.

        Args:
            meta (Mapping): Has ``classes`` and optionally ``base_classes``,
                ``template`` (a sentence or a list) and ``class_ids``.

        Raises:
            DeptError: If there are no classes, or they are inconsistent.
        """
        if not meta.get('classes'):
            raise DeptError('The data set names no classes: its metainfo has '
                            "no 'classes'.")
        given = dict(names=meta['classes'], base=meta.get('base_classes'),
                     ids=meta.get('class_ids'))
        if meta.get('template'):
            given['templates'] = meta['template']
        return cls(**given)

    @classmethod
    def resolve(
            cls, source: Vocabulary | Mapping | Sequence[str]) -> Vocabulary:
        """Build a vocabulary from whatever a config may contain.

        Args:
            source (Vocabulary | Mapping | Sequence[str]): A vocabulary, a
                list of class names, a dict of the arguments of this class, or
                the config of a registered data set. The latter is built to
                read its ``metainfo``, without its samples if it knows its
                classes before them.

        Raises:
            DeptError: If a key is unknown, or the classes are inconsistent.
        """
        if isinstance(source, Vocabulary):
            return source
        if not isinstance(source, Mapping):
            return cls(tuple(source))
        if 'type' not in source:
            unknown = set(source) - {field.name for field in fields(cls)}
            if unknown:
                raise DeptError(f'Unknown keys of a vocabulary: '
                                f'{sorted(unknown)}. A data set needs a '
                                "'type'.")
            return cls(**source)
        dataset = DATASETS.build(
            dict(source, pipeline=[], lazy_init=True))
        if not dataset.metainfo.get('classes'):
            dataset.full_init()
        return cls.from_metainfo(dataset.metainfo)


def _plain(name: str) -> str:
    """Return a class name in the form in which names are compared."""
    return name.replace('_', ' ').strip().lower()
