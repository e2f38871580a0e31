"""Decomposed Prompt Tuning: a short prompt and a low-rank offset."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts.budget import find_rank
from dept_mm.models.prompts.module import PromptModule
from dept_mm.models.prompts.soft import SoftPrompt
from dept_mm.models.utils.kept import Kept, tensors_of
from dept_mm.registry import MODELS


@MODELS.register_module()
class DecomposedPrompt(PromptModule):
    r"""Learn a short soft prompt, and an offset for each place of the input.

    "DePT: Decomposed Prompt Tuning for Parameter-Efficient Fine-tuning" (Shi
    and Lipani, ICLR 2024), section 2.2, no relative of Decoupled Prompt
    Tuning: :math:`X' = [P; E + \gamma A B]` with :math:`A` of shape ``(s,
    r)`` and :math:`B` of ``(r, W)``, which is zero at the start. The paper
    has no :math:`\gamma`; the authors' code multiplies by ``8 / sqrt(r)``.

    Row ``j`` of the offset belongs to token ``j`` of the input without
    prompt and padding, whatever the token is.

    Args:
        embed_dims (int): ``W``.
        num_tokens (int): ``m``, the short prompt.
        rank (int | str): ``r``, 0 for none, or ``'match:l'``: the largest
            with no more parameters than a soft prompt of ``l`` tokens.
        max_length (int): ``s``, longest input.
        alpha (float): See ``scale``. Defaults to 8.
        scale (str | float): ``'sqrt'`` is ``alpha / sqrt(r)``, ``'none'``
            is 1. Defaults to ``'sqrt'``.
        untrained_rows (str): Rows of :math:`A` that no training input was
            long enough for stay random. ``'mask'`` leaves them out in
            evaluation; the host must call :meth:`see`. Defaults to
            ``'keep'``.
        overflow (str): Of inputs longer than ``s``: ``'error'``, ``'clamp'``
            (the last row for the rest) or ``'none'`` (no offset for the
            rest). Defaults to ``'error'``.
        init (Tensor | float, optional): See ``SoftPrompt``.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> prompt = dict(type='TowerPrompts', text=[
        ...     dict(type='DecomposedPrompt', num_tokens=4, rank='match:16')])
    """
    size = 'rank'

    def __init__(self, embed_dims: int, num_tokens: int, rank: int | str,
                 max_length: int, alpha: float = 8,
                 scale: str | float = 'sqrt', untrained_rows: str = 'keep',
                 overflow: str = 'error',
                 init: Tensor | float | None = None) -> None:
        super().__init__()
        for option, value, known in (
                ('untrained_rows', untrained_rows, ('mask', 'keep')),
                ('overflow', overflow, ('error', 'clamp', 'none'))):
            if value not in known:
                raise DeptError(f'DecomposedPrompt: {option} {value!r} is '
                                f'not one of {known}.')
        self.soft = SoftPrompt(embed_dims, num_tokens, init)
        self.num_tokens = num_tokens
        self.max_length = max_length
        self.overflow = overflow
        self._kept = Kept()
        self.rank = rank = find_rank('DecomposedPrompt', rank, embed_dims,
                                     num_tokens * embed_dims,
                                     max_length + embed_dims)
        self.scale = self._scale(scale, alpha, rank)
        self.offset_a = self.offset_b = None
        masks = rank and untrained_rows == 'mask'
        self.register_buffer('rows_seen', torch.tensor(0) if masks else None)
        if rank:
            a = torch.empty(max_length, rank)
            self.offset_a = nn.Parameter(a.uniform_(-rank**-.5, rank**-.5))
            self.offset_b = nn.Parameter(torch.zeros(rank, embed_dims))

    @staticmethod
    def _scale(scale: str | float, alpha: float, rank: int) -> float:
        if isinstance(scale, str):
            if scale not in ('sqrt', 'none'):
                raise DeptError(f'DecomposedPrompt: scale {scale!r} is '
                                "neither 'sqrt' nor 'none' nor a number.")
            scale = alpha / max(rank, 1)**.5 if scale == 'sqrt' else 1.
        return scale

    @property
    def settings(self) -> dict:
        """The factor by which the product of A and B is multiplied."""
        return dict(scale=self.scale)

    def tokens(self) -> Tensor:
        """Return the short prompt ``(m, W)``."""
        return self.soft.tokens()

    def note_length(self, length: int | Tensor) -> None:
        """Note that inputs of up to this length are trained on."""
        if self.rows_seen is not None:
            self.rows_seen.clamp_(min=length)

    def merge(self) -> Tensor | None:
        """Return the offset of each place, ``(s, W)``."""
        if not self.rank:
            return None
        return self._kept.get(self._table, key=self.training,
                              learned=tensors_of(self))

    def _table(self) -> Tensor:
        table = self.scale * (self.offset_a @ self.offset_b)
        if self.rows_seen is not None and not self.training:
            rows = torch.arange(len(table), device=table.device)
            table = table * (rows < self.rows_seen)[:, None]
        return table

    def offset(self, embeds: Tensor, place: Tensor,
               scope: Tensor | None = None) -> Tensor | None:
        """Look up the offset of each token's place; see
        ``PromptModule.offset``.

        Raises:
            DeptError: If the input is longer than ``s`` and
                ``overflow='error'``.
        """
        if not self.rank:
            return None
        length, most = embeds.shape[-2], self.max_length
        if length > most and self.overflow == 'error':
            raise DeptError(
                f'DecomposedPrompt: an input of {length} tokens, but '
                f"max_length is {most}. Raise it, or set overflow='none'.")
        x = self.merge()[place.clamp(0, most - 1)]  # padding is at -1
        if length > most and self.overflow == 'none':
            x = x * (place < most)[..., None]
        return x if scope is None else x * scope[..., None]
