"""Sentences that were written for single classes."""
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import ClassTokens, FrozenCLIP

AT_ONCE = 256  # sentences in one pass of the text tower


class ClassSentences:
    """Encode several sentences per class, such as descriptions written by a
    language model.

    A class may have any number of sentences, at least one. They are looked up
    by its name, in which ``_`` and a space are equal, or else by the only
    name that differs in nothing but capitals, and used as they are.

    Args:
        source (Mapping | str): Class name -> list of sentences, or the path
            of a JSON file with such an object (CuPL's files have this form).

    Attributes:
        templates (Sequence[str]): Sentences with ``{}`` for the class name
            that join those of each class.

    Raises:
        DeptError: If the file cannot be read, a name occurs twice, or a
            class has no list of sentences.
    """

    def __init__(self, source: Mapping[str, Sequence[str]] | str) -> None:
        self.templates: Sequence[str] = ()
        self.where = 'sentences'
        if not isinstance(source, Mapping):
            self.where = f'sentences {str(source)!r}'
            source = self._read(source)
        self._of: dict[str, tuple[str, ...]] = {}
        for name, given in source.items():
            if (isinstance(given, str) or not isinstance(given, Sequence)
                    or not given or not all(
                        isinstance(s, str) and s.strip() for s in given)):
                raise DeptError(f'{self.where}: class {name!r} needs a list '
                                'of one or more sentences.')
            if _plain(name) in self._of:
                raise DeptError(f'{self.where}: class {name!r} is listed '
                                'twice; _ and a space are equal.')
            self._of[_plain(name)] = tuple(given)
        folded = [name.casefold() for name in self._of]
        self._alike = {fold: own for fold, own in zip(
            folded, self._of.values(), strict=True) if folded.count(fold) < 2}

    def _read(self, path: str) -> Mapping:
        try:
            source = json.loads(Path(path).read_text('utf-8'))
        except (OSError, ValueError) as error:
            raise DeptError(f'{self.where}: the file cannot be read as JSON '
                            f'({error}).') from error
        if not isinstance(source, dict):
            raise DeptError(f'{self.where}: the file holds no object that '
                            'maps class names to lists of sentences.')
        return source

    def to_dict(self) -> dict[str, list[str]]:
        """Return the sentences by class name, in JSON types."""
        return {name: list(own) for name, own in self._of.items()}

    def look_up(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the sentences of each of these classes, templates first.

        Raises:
            DeptError: If classes have none; it lists all of them.
        """
        found = {name: self._of.get(_plain(name), self._alike.get(
            _plain(name).casefold())) for name in names}
        missing = [name for name, own in found.items() if own is None]
        if missing:
            raise DeptError(f'{self.where}: there are no sentences for '
                            f'{len(missing)} classes: {missing}. Add them, '
                            'or use templates.')
        return [(*(t.replace('{}', _plain(name)) for t in self.templates),
                 *found[name]) for name in names]

    def tokenize(self, clip: FrozenCLIP, names: Sequence[str]
                 ) -> Iterator[ClassTokens]:
        """Yield the token ids of all sentences in parts, class after class.

        Raises:
            DeptError: If a class has no sentences, or one is too long.
        """
        pairs = [(name, sentence) for name, own in zip(
            names, self.look_up(names), strict=True) for sentence in own]
        for start in range(0, len(pairs), AT_ONCE):
            yield clip.tokenize_sentences(pairs[start:start + AT_ONCE])

    def check(self, clip: FrozenCLIP, names: Sequence[str]) -> None:
        """Raise a ``DeptError`` if a class has no sentences, or one is too
        long for the text tower."""
        for _ in self.tokenize(clip, names):
            pass

    def encode(self, clip: FrozenCLIP, names: Sequence[str],
               normalize: bool) -> Tensor:
        """Compute the mean feature of each class's sentences, ``(C, D)``.

        Args:
            clip (FrozenCLIP): Whose text tower encodes them.
            names (Sequence[str]): ``C`` class names.
            normalize (bool): Whether features are normalised before the
                mean; the mean never is.
        """
        texts = self.encode_each(clip, names)
        if normalize:
            texts = [F.normalize(own, dim=-1) for own in texts]
        return torch.stack([own.mean(0) for own in texts])

    def encode_each(self, clip: FrozenCLIP, names: Sequence[str]
                    ) -> Sequence[Tensor]:
        """Compute the un-normalised features ``(S, D)`` of the ``S`` sentences
        of each of ``C`` classes."""
        texts = torch.cat([clip.encode_text(tokens)
                           for tokens in self.tokenize(clip, names)])
        return texts.split([len(own) for own in self.look_up(names)])


def _plain(name: str) -> str:
    return name.replace('_', ' ')
