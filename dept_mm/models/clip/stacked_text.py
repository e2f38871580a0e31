"""Text towers of several runs as one batch.

Runs that train side by side, each in a thread of its own (see ``lockstep``),
ask for text features instead of computing them. Questions about the same
sentences are answered together: prompts of ``R`` runs become prompts with an
image axis of length ``R``, as those of ``R`` images do. The backward pass
asks in the same way. Up to the order of sums the numbers are those of each
run alone.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.structures import Prompts

Ask = Callable[['Text | Gradient'], Any]
_ASK: ContextVar[Ask | None] = ContextVar('ask', default=None)


@contextmanager
def asking(ask: Ask | None) -> Iterator[None]:
    """Encode text by asking, in this thread; None encodes it here."""
    token = _ASK.set(ask)
    try:
        # A backward pass waits for those of other runs: in its own thread,
        # not in that of the GPU, which they need.
        with torch.autograd.set_multithreading_enabled(False):
            yield
    finally:
        _ASK.reset(token)


def alone(encode: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Encode without asking, e.g. what a checkpoint computes again: nobody
    else would do so at that time."""
    @wraps(encode)
    def wrapped(*args) -> Tensor:
        token = _ASK.set(None)
        try:
            return encode(*args)
        finally:
            _ASK.reset(token)
    return wrapped


def encode_text(tower: Callable[..., Tensor], tokens: ClassTokens,
                prompts: Prompts, position: str) -> Tensor:
    """What the tower gives, together with other runs wherever this thread
    asks and prompts are tensors that can have an image axis."""
    ask = _ASK.get()
    if (ask is None or prompts.empty or prompts.offset is not None
            or any(callable(t) for t in prompts.inserted.values())):
        return tower(tokens, prompts, position)
    grad = torch.is_grad_enabled()
    given = prompts.tensors()
    inputs = prompts.map(lambda t: t.detach().requires_grad_(
        grad and t.requires_grad))
    kind = given[0].device.type
    dtype = (torch.get_autocast_dtype(kind)
             if torch.is_autocast_enabled(kind) else None)
    return _Encode.apply(ask, Text(tower, tokens, inputs, position, dtype),
                         *given)


class _Encode(torch.autograd.Function):
    """Asks for features, and for their gradients."""

    @staticmethod
    def forward(ctx, ask: Ask, text: Text, *given: Tensor) -> Tensor:
        ctx.ask = ask
        ctx.joint, ctx.index = ask(text)
        return ctx.joint.features(ctx.index)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.ask(Gradient(ctx.joint, ctx.index, grad))


class Text(NamedTuple):
    """The question for features of ``C`` sentences; fields as of
    ``TextTower``, prompts as leaves, and the dtype of autocast."""
    tower: Callable[..., Tensor]
    tokens: ClassTokens
    prompts: Prompts
    position: str
    autocast: torch.dtype | None

    @property
    def images(self) -> int | None:
        """Length of the image axis, if there is one."""
        return next((len(t) for t in self.prompts.tensors() if t.ndim == 4),
                    None)

    @property
    def key(self) -> tuple:
        """Equal for what can be one batch."""
        prompts = self.prompts
        return (id(self.tower), self.tokens.content, self.position,
                self.autocast, prompts.context is None, *prompts.deep,
                *prompts.inserted, frozenset(prompts.front),
                *(t.shape[-3:] for t in prompts.tensors()))


class Gradient(NamedTuple):
    """The question for gradients of a text's prompts."""
    joint: _Joint
    index: int
    grad: Tensor

    @property
    def key(self) -> int:
        """Equal for what can be one backward pass."""
        return id(self.joint)


class _Joint:
    """Texts that are encoded together.

    Args:
        texts (Sequence[Text]): Of equal keys.
    """

    def __init__(self, texts: Sequence[Text]) -> None:
        tower, tokens, prompts, position, dtype = texts[0]
        self.texts = texts
        self._sizes = [text.images or 1 for text in texts]
        columns = zip(*(text.prompts.tensors() for text in texts),
                      strict=True)
        wanted = any(t.requires_grad for text in texts
                     for t in text.prompts.tensors())
        device = prompts.tensors()[0].device.type
        with torch.set_grad_enabled(wanted), torch.autocast(
                device, dtype, enabled=dtype is not None):
            stacked = [torch.cat([_with_images(t, size) for t, size in zip(
                column, self._sizes, strict=True)]) for column in columns]
            rest = iter(stacked)
            self.out = tower(tokens, prompts.map(lambda _: next(rest)),
                             position)

    def features(self, index: int) -> Tensor:
        """One text's ``(C, D)`` or ``(B, C, D)``, without its graph."""
        part = self.out.detach().split(self._sizes)[index]
        return part if self.texts[index].images else part[0]

    def gradients(self, known: dict[int, Tensor]
                  ) -> dict[int, list[Tensor | None]]:
        """Gradients of the prompts of some texts.

        Args:
            known (dict): Index -> gradient of its features.
        """
        grads = torch.zeros_like(self.out).split(self._sizes)
        for index, grad in known.items():
            grads[index].copy_(grad)
        wanted = [t for index in known
                  for t in self.texts[index].prompts.tensors()
                  if t.requires_grad]
        # A run may ask more than once: ProGrad's guide has a gradient too.
        found = iter(torch.autograd.grad(
            self.out, wanted, torch.cat(grads), retain_graph=True,
            allow_unused=True))
        return {index: [next(found) if t.requires_grad else None
                        for t in self.texts[index].prompts.tensors()]
                for index in known}


def answer(questions: Sequence[Text | Gradient]) -> list:
    """Answer what several runs ask at the same time.

    Args:
        questions (Sequence): One per run.

    Returns:
        list: In their order; of a text, the batch it is part of and its
        place there, of a gradient, one gradient per tensor.
    """
    groups: dict[Any, list[int]] = {}
    for i, question in enumerate(questions):
        groups.setdefault(question.key, []).append(i)
    replies: dict[int, Any] = {}
    for members in groups.values():
        group = [questions[i] for i in members]
        if isinstance(group[0], Text):
            joint = _Joint(group)
            found = [(joint, i) for i in range(len(group))]
        else:
            by_text = group[0].joint.gradients(
                {question.index: question.grad for question in group})
            found = [by_text[question.index] for question in group]
        replies.update(zip(members, found, strict=True))
    return [replies[i] for i in range(len(questions))]


def _with_images(tokens: Tensor, images: int) -> Tensor:
    """Prompts of any shape as ``(B, C, n, W)`` or ``(B, 1, n, W)``."""
    if tokens.ndim == 4:
        return tokens
    if tokens.ndim == 2:
        tokens = tokens[None]
    return tokens.expand(images, *tokens.shape)
