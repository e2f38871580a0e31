"""The list of classes that a model scores."""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS


@dataclass(frozen=True)
class Vocabulary:
    """Class names in label order, which of them are base, and the templates.

    Classes are matched by *identity*, never by position: the identity of a
    class is its name, or its entry of ``ids`` where two classes may share a
    name (ImageNet's WordNet ids).

    Args:
        names (tuple[str]): Class names in label order, as a person writes
            them; ``_`` stands for a space.
        base (tuple[str], optional): Identities of the base classes, those a
            model is tuned on. Defaults to all classes.
        templates (tuple[str]): Hand-written sentences with one ``{}`` for
            the name.
        ids (tuple[str], optional): Identities. Defaults to ``names``.

    Raises:
        DeptError: If the list is empty, an identity occurs twice, a base
            class is unknown, or a template has no ``{}``.
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
            raise DeptError(f'Base classes that are not classes: {unknown}.')
        for template in self.templates:
            if '{}' not in template:
                raise DeptError(f"Template {template!r} has no '{{}}' for "
                                'the class name.')

    def __len__(self) -> int:
        return len(self.names)

    @property
    def base_labels(self) -> list[int]:
        """Labels of the base classes, in the order of ``base``."""
        return self.labels_of(self.base)

    @property
    def new_labels(self) -> list[int]:
        """Labels of the classes that are not base, in label order."""
        base = set(self.base)
        return [i for i, key in enumerate(self.ids) if key not in base]

    def labels_of(self, ids: Iterable[str]) -> list[int]:
        """Labels of the classes with these identities."""
        label = {key: i for i, key in enumerate(self.ids)}
        return [label[key] for key in ids]

    def to_dict(self) -> dict:
        """Plain lists and strings; ``Vocabulary(**v.to_dict()) == v``."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_metainfo(cls, meta: Mapping) -> Vocabulary:
        """From a data set's ``metainfo``.

        Args:
            meta (Mapping): ``classes`` and, where known, ``base_classes``,
                ``template`` (a sentence or a list) and ``class_ids``.
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
        """Make a vocabulary of what a config may write.

        Args:
            source: A vocabulary, a list of class names, a dict of this
                class's fields, or the config of a registered data set, whose
                ``metainfo`` is then read (without its samples wherever the
                data set allows).
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
