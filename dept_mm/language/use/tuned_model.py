"""A tuned language model, as a script uses it."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.language.model import PromptedLanguageModel
from dept_mm.language.use.inputs import Given, find_names, gather_texts
from dept_mm.language.use.prediction import TextPrediction, read_sample


@dataclass(frozen=True, eq=False)
class TunedTextModel:
    """A tuned language model with what is needed to use it.

    Attributes:
        module (PromptedLanguageModel): The model, in eval mode.
        config (Config, optional): Its config; None for an adapter alone.

    Examples:
        >>> model = dept_mm.load('mine.safetensors')
        >>> model.predict('A film without any faults.', k=1)[0].answer
        'positive'
    """
    module: PromptedLanguageModel = field(repr=False)  # pages long
    config: Config | None = field(default=None, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty if answers are values or texts."""
        return self.module.head.task.classes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the texts that the task asks about."""
        return tuple(find_names(self.module.head))

    def predict(self, texts: Given | Sequence[Given], k: int = 5,
                batch_size: int = 32) -> list[TextPrediction]:
        """Answer the question of the task.

        Args:
            texts (str | Mapping | Sequence): A text, where the task asks
                about one; a dict of texts by name; or a list of either.
            k (int): How many classes of each sample; there may be fewer.
                Defaults to 5.
            batch_size (int): Samples per batch. Defaults to 32.

        Raises:
            DeptError: If a text is missing or unknown, or an option is out of
                range.
        """
        return list(self.predict_each(texts, k, batch_size))

    def predict_each(self, texts: Given | Sequence[Given], k: int = 5,
                     batch_size: int = 32) -> Iterator[TextPrediction]:
        """Answer one sample after another; see :meth:`predict`."""
        for option, value in (('k', k), ('batch_size', batch_size)):
            if value < 1:
                raise DeptError(f'predict: {option} is {value}; it must be '
                                'at least 1.')
        found = gather_texts(texts, self.module.head)
        for start in range(0, len(found), batch_size):
            batch = found[start:start + batch_size]
            for one, sample in zip(batch, self._answer(batch), strict=True):
                yield read_sample(one, sample, self.classes, k)

    @torch.inference_mode()
    def _answer(self, batch: Sequence[Mapping[str, str]]
                ) -> list[DataSample]:
        """Let the head write its answers into empty samples."""
        inputs = {name: [one[name] for one in batch] for name in self.names}
        return self.module(inputs, [DataSample() for _ in batch], 'predict')

    def merge(self) -> nn.Module:
        """Return a model of transformers with what was learned in its
        weights; see ``PromptedLanguageModel.merge``."""
        return self.module.merge()
