"""Arithmetic and memory of a forward and backward pass, without running it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.autograd.graph import saved_tensors_hooks
from torch.backends import mha
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import text_engine
from dept_mm.models.clip.text_layout import Packing
from dept_mm.models.utils import kept

TEXT, IMAGE, REST = 'text tower', 'image tower', 'rest'
TOWERS = dict(encode_text=TEXT, encode_image=IMAGE)
_ATEN = torch.ops.aten
# Not every torch has counts of attention on a CPU; these are its own ones.
ATTENTION = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu:
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward:
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(
            grad, q, k, v),
}


class Meter:
    """Counts what runs inside :meth:`running`, by part of the model.

    Tensors made there are fake: they have shapes and no values, so that a
    step of any size takes a second or two.

    Args:
        model (nn.Module): A classifier; only good for counting afterwards,
            since it may keep fake tensors.

    Attributes:
        parts (dict): Part -> ``forward`` and ``backward`` in FLOP, and
            ``kept``, the bytes held for the backward pass, of what ran last.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._weights = _weights(model, self._fake)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what the model does inside."""
        self.parts = {part: dict(forward=0, backward=0, kept=0)
                      for part in (TEXT, IMAGE, REST)}
        self._now, self._seen = (REST, 'forward'), 0
        self._kept = dict(self._weights)
        fast = mha.get_fastpath_enabled()
        # The fused layer of inference hides its products from the counter.
        mha.set_fastpath_enabled(False)
        try:
            with (self._fake,
                  FlopCounterMode(
                      display=False, custom_mapping=ATTENTION
                  ) as self._counter,
                  saved_tensors_hooks(self._keep, lambda x: x),
                  self._towers()):
                yield
                self._settle()
        finally:
            mha.set_fastpath_enabled(fast)

    @contextmanager
    def of(self, part: str, way: str) -> Iterator[None]:
        """What runs inside belongs to this part."""
        self._settle()
        outer, self._now = self._now, (part, way)
        try:
            yield
        finally:
            self._settle()
            self._now = outer

    def _settle(self) -> None:
        """Give what was counted since the last time to its part."""
        total = self._counter.get_total_flops()
        part, way = self._now
        self.parts[part][way] += total - self._seen
        self._seen = total

    @contextmanager
    def _towers(self) -> Iterator[None]:
        """A tower's passes are its own, whoever asks for them; sentences
        are read for real, since values decide what is computed."""
        backbone = getattr(self.model, 'backbone', None)
        if not isinstance(backbone, PromptedCLIP):
            yield
            return
        clip = backbone.clip
        marked = {name: self._mark(getattr(clip, name), part)
                  for name, part in TOWERS.items()}
        with (patch.multiple(
                  clip, tokenize=_real(clip.tokenize), tokenize_sentences=
                  _real(clip.tokenize_sentences), **marked),
              patch.object(backbone, '_rows', _real(backbone._rows)),
              patch.multiple(kept, _copy=_real(kept._copy),
                             _equal=_real(kept._equal)),
              patch.object(text_engine, '_layout', _real(text_engine._layout)),
              patch.object(Packing, '_grow', _real(Packing._grow))):
            yield

    def _mark(self, encode: Callable, part: str) -> Callable:
        def counted(*args, **kwargs) -> Tensor:
            with self.of(part, 'forward'):
                return encode(*args, **kwargs)

        return counted

    def _keep(self, x: Tensor) -> Tensor:
        """Remember what autograd holds on to."""
        if isinstance(x, FakeTensor):
            storage = x.untyped_storage()
            if storage._cdata not in self._kept:
                self._kept[storage._cdata] = x  # alive, or the key may recur
                self.parts[self._now[0]]['kept'] += storage.nbytes()
        return x


def _real(function: Callable) -> Callable:
    """The same function, outside of fake tensors."""
    def run(*args, **kwargs):
        with unset_fake_temporarily():
            return function(*args, **kwargs)

    return run


def _weights(model: nn.Module, fake: FakeTensorMode) -> dict[int, Tensor]:
    """Fake storages of the weights: backward needs them, but they are there
    without it."""
    weights = list(model.parameters())
    if isinstance(getattr(model, 'backbone', None), PromptedCLIP):
        weights += list(model.backbone.clip.parameters())
    found = {}
    for weight in weights:
        copy = fake.from_tensor(weight)
        found[copy.untyped_storage()._cdata] = copy
    return found
