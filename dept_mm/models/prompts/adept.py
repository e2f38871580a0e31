"""Adaptive Decomposed Prompt Tuning: an offset that depends on the token."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.prompts.budget import find_rank
from dept_mm.models.prompts.module import PromptModule
from dept_mm.models.prompts.soft import SoftPrompt
from dept_mm.models.utils.kept import Kept, tensors_of
from dept_mm.registry import MODELS


@MODELS.register_module()
class ADePTPrompt(PromptModule):
    r"""Learn a short soft prompt, and a small network that turns each token's
    embedding into an offset.

    "ADePT: Adaptive Decomposed Prompt Tuning for Parameter-Efficient
    Fine-tuning" (Tang et al., ICLR 2025): :math:`X' = [P; E + f(E)]`,
    :math:`f(e) = \mathrm{ReLU}(e W_1 + b_1) W_2 + b_2`, which is zero at the
    start. It looks at one token alone, so on words it can be merged into the
    table of embeddings.

    Args:
        embed_dims (int): ``W``.
        num_tokens (int): ``m``, the short prompt.
        rank (int | str): Width of the network, 0 for none, or ``'match:l'``:
            the largest with no more parameters than a soft prompt of ``l``
            tokens.
        dropout (float): Before the ReLU; the authors' code has 0.1.
            Defaults to 0.
        w1_init (str): Range of :math:`W_1` at the start: ``'code'``, the
            authors' ``1 / sqrt(rank)``, or ``'linear'``, the usual ``1 /
            sqrt(W)``. Defaults to ``'code'``.
        init (Tensor | float, optional): See ``SoftPrompt``.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> prompt = dict(type='TowerPrompts', text=[
        ...     dict(type='ADePTPrompt', num_tokens=4, rank='match:16')])
    """
    size = 'rank'

    def __init__(self, embed_dims: int, num_tokens: int, rank: int | str,
                 dropout: float = 0., w1_init: str = 'code',
                 init: Tensor | float | None = None) -> None:
        super().__init__()
        if w1_init not in ('code', 'linear'):
            raise DeptError(f'ADePTPrompt: w1_init {w1_init!r} is neither '
                            "'code' nor 'linear'.")
        self.soft = SoftPrompt(embed_dims, num_tokens, init)
        self.num_tokens = num_tokens
        self.dropout = dropout
        self._kept = Kept()
        self.rank = rank = find_rank('ADePTPrompt', rank, embed_dims,
                                     (num_tokens + 1) * embed_dims,
                                     2 * embed_dims + 1)
        self.offset_down = self.offset_up = None
        if rank:
            self.offset_down = nn.Linear(embed_dims, rank)
            self.offset_up = nn.Linear(rank, embed_dims)
            bound = (rank if w1_init == 'code' else embed_dims)**-.5
            nn.init.uniform_(self.offset_down.weight, -bound, bound)
            for zero in (self.offset_down.bias, *self.offset_up.parameters()):
                nn.init.zeros_(zero)

    def tokens(self) -> Tensor:
        """Return the short prompt ``(m, W)``."""
        return self.soft.tokens()

    def offset(self, embeds: Tensor, place: Tensor | None = None,
               scope: Tensor | None = None) -> Tensor | None:
        """Compute the offset of each token, which does not depend on its
        place; see ``PromptModule.offset``."""
        if not self.rank:
            return None
        x = self._network(embeds, self.dropout * self.training)
        return x if scope is None else x * scope[..., None]

    def merge(self, table: Tensor) -> Tensor:
        """Return a table of embeddings ``(V, W)`` with the offsets added;
        module and table stay as they are."""
        if not self.rank:
            return table
        return self._kept.get(
            lambda: (table + self._network(table, 0.)).to(table.dtype),
            learned=tensors_of(self), frozen=(table, ))

    def _network(self, embeds: Tensor, dropout: float) -> Tensor:
        x = self.offset_down(embeds.to(self.offset_down.weight.dtype))
        return self.offset_up(F.dropout(x, dropout, dropout > 0).relu())
