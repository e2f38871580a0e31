"""Arithmetic and memory of a forward and backward pass, without running it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.backends import mha
from torch.utils.flop_counter import FlopCounterMode

from dept_mm.models import PromptedCLIP

TEXT, IMAGE, REST = 'text tower', 'image tower', 'rest'
TOWERS = dict(encode_text=TEXT, encode_image=IMAGE)


class Meter:
    """Counts what runs inside :meth:`running`, by part of the model.

    Tensors made there are fake: they have shapes and no values, so that a
    step of any size takes a second or two.

    Attributes:
        parts (dict): Part -> ``forward`` and ``backward`` in FLOP, and
            ``kept``, the bytes held for the backward pass.
    """

    def __init__(self) -> None:
        self.parts = {part: dict(forward=0, backward=0, kept=0)
                      for part in (TEXT, IMAGE, REST)}
        self._now = REST, 'forward'

    @contextmanager
    def running(self, model: nn.Module) -> Iterator[None]:
        """Count what a model does inside."""
        fast = mha.get_fastpath_enabled()
        # The fused layer of inference hides its products from the counter.
        mha.set_fastpath_enabled(False)
        self._seen = 0
        fake = FakeTensorMode(allow_non_fake_inputs=True)
        try:
            self._kept = _weights(model, fake)
            with (fake,
                  FlopCounterMode(display=False) as self._counter,
                  saved_tensors_hooks(self._keep, lambda x: x),
                  self._towers(model)):
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
    def _towers(self, model: nn.Module) -> Iterator[None]:
        """A tower's passes are its own, whoever asks for them."""
        backbone = getattr(model, 'backbone', None)
        if not isinstance(backbone, PromptedCLIP):
            yield
            return
        clip = backbone.clip
        marked = {name: self._mark(getattr(clip, name), part)
                  for name, part in TOWERS.items()}
        with patch.multiple(clip, **marked):
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
