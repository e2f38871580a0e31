"""Late Prompt Tuning: tokens that join in the middle of a model."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.prompts.initial import start_rows
from dept_mm.models.prompts.module import PromptModule
from dept_mm.registry import MODELS

GENERATORS = ('none', 'npg', 'appg', 'mppg')


@MODELS.register_module()
class LatePrompt(PromptModule):
    r"""Insert tokens into the hidden states after block ``layer``.

    "Late Prompt Tuning: A Late Prompt Could Be Better Than Many Prompts" (Liu
    et al., Findings of EMNLP 2022), section 3. The blocks below see no
    prompt, so nothing is back-propagated through them. The tokens get no
    position. They are free, or made of the hidden states ``h``:

    * ``npg``: :math:`W_2 \mathrm{ReLU}(W_1 h_a + b_1) + b_2`, all tokens of
      the hidden state :math:`h_a` of one *anchor*;
    * ``appg``, ``mppg``: :math:`W_2 \mathrm{ReLU}(\mathrm{pool}(W_1 h +
      b_1)) + b_2`, with an adaptive average or maximum over the input's
      tokens, one bin per prompt token.

    Args:
        embed_dims (int): ``W``.
        layer (int): How many blocks run before; 0 is the input, where there
            is nothing to generate from.
        num_tokens (int): ``p``.
        generator (str): ``'none'``, ``'npg'``, ``'appg'`` or ``'mppg'``.
            Defaults to ``'none'``.
        bottleneck (int): Width of the generator. Defaults to 128.
        anchor (str, optional): ``'first'`` or ``'last'`` token of the input;
            the host looks it up. Defaults to the host's choice.
        dropout (float): On generated tokens. Defaults to 0.
        pre_norm (bool): Whether the generator reads normalised hidden
            states. Defaults to False.
        condition (str): ``'self'``, or ``'image'``: a linear map of an image
            is added to all tokens (as CoCoOp does to its context), zero at
            the start. Defaults to ``'self'``.
        image_dims (int, optional): ``D``, width of an image's feature; the
            host knows it if it has images.
        init (Tensor | float, optional): Rows ``(n, W)`` that the tokens
            start from, with little noise of a generator (pooling ones have
            one row for all tokens). Defaults to the authors' code: N(0, 1)
            for free tokens (a number is another deviation), the usual linear
            layers for a generator.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> prompt = dict(type='TowerPrompts', text=[
        ...     dict(type='LatePrompt', layer=6, generator='npg')])
    """
    size = 'bottleneck'
    late = True

    def __init__(self, embed_dims: int, layer: int, num_tokens: int,
                 generator: str = 'none', bottleneck: int = 128,
                 anchor: str | None = None, dropout: float = 0.,
                 pre_norm: bool = False, condition: str = 'self',
                 image_dims: int | None = None,
                 init: Tensor | float | None = None) -> None:
        super().__init__()
        if generator not in GENERATORS:
            raise DeptError(f'LatePrompt: generator {generator!r} is not one '
                            f'of {GENERATORS}.')
        if anchor not in (None, 'first', 'last'):
            raise DeptError(f'LatePrompt: anchor {anchor!r} is neither '
                            "'first' nor 'last'.")
        for option, value, least in (('layer', layer, generator != 'none'),
                                     ('num_tokens', num_tokens, 1),
                                     ('bottleneck', bottleneck, 1)):
            if value < least:
                raise DeptError(f'LatePrompt: {option} is {value}; with '
                                f'generator={generator!r} it must be at '
                                f'least {int(least)}.')
        self.layer = layer
        self.num_tokens = num_tokens
        self.generator, self.bottleneck = generator, bottleneck
        self.anchor = anchor
        self.dropout = dropout
        self.pre_norm = pre_norm
        self.late_image = self._image(condition, image_dims, embed_dims)
        if generator == 'none':
            start = 1. if init is None else init
            self.late_tokens = nn.Parameter(
                start_rows(start, num_tokens, embed_dims))
            return
        self.late_tokens = None
        rows = num_tokens if generator == 'npg' else 1
        self.late_down = nn.Linear(embed_dims, bottleneck)
        self.late_up = nn.Linear(bottleneck, rows * embed_dims)
        if isinstance(init, Tensor):
            nn.init.normal_(self.late_up.weight, std=1e-3)
            self.late_up.bias.data.copy_(
                start_rows(init, rows, embed_dims).flatten())

    @staticmethod
    def _image(condition: str, dims: int | None, width: int
               ) -> nn.Linear | None:
        """Build the linear map of the image, if there is one."""
        if condition not in ('self', 'image'):
            raise DeptError(f'LatePrompt: condition {condition!r} is neither '
                            "'self' nor 'image'.")
        if condition == 'self':
            return None
        if dims is None:
            raise DeptError("LatePrompt: condition='image' is for a tower "
                            'that is given images besides its own input: the '
                            'text tower of CLIP.')
        linear = nn.Linear(dims, width, bias=False)
        nn.init.zeros_(linear.weight)
        return linear

    @property
    def settings(self) -> dict:
        """Where the tokens join, and what they are generated from."""
        return dict(layer=self.layer, num_tokens=self.num_tokens,
                    generator=self.generator, anchor=self.anchor,
                    pre_norm=self.pre_norm)

    def tokens(self) -> Tensor | None:
        """Return free tokens ``(p, W)``, or None if they are generated."""
        return self.late_tokens

    def shift(self, image: Tensor) -> Tensor:
        """Compute what images ``(B, D)`` add to all tokens, ``(B, W)``."""
        return self.late_image(image.to(self.late_image.weight.dtype))

    def generate(self, hidden: Tensor, mask: Tensor | None = None,
                 anchor: Tensor | None = None) -> Tensor:
        """Generate the tokens of each input, ``(B, p, W)``.

        Args:
            hidden (Tensor): ``(B, S, W)``, the hidden states they join.
            mask (Tensor, optional): ``(B, S)`` bool, the input's own tokens;
                for pooling generators. Defaults to all.
            anchor (Tensor, optional): ``(B, )``, slot of the anchor; for
                ``npg``.
        """
        if self.generator == 'none':
            return self.late_tokens.expand(hidden.shape[0], -1, -1)
        if self.generator == 'npg':
            anchor = anchor[:, None, None].expand(-1, -1, hidden.shape[-1])
            hidden = hidden.gather(1, anchor)[:, 0]
        hidden = hidden.to(self.late_down.weight.dtype)
        if self.pre_norm:
            hidden = F.layer_norm(hidden, (self.late_down.in_features, ))
        x = self.late_down(hidden)
        if self.generator != 'npg':
            x = adaptive_pool(x, mask, self.num_tokens,
                              self.generator == 'mppg')
        x = self.late_up(x.relu())
        if self.generator == 'npg':
            x = x.unflatten(-1, (self.num_tokens, -1))
        return F.dropout(x, self.dropout, self.training)


def adaptive_pool(x: Tensor, mask: Tensor | None, bins: int, largest: bool
                  ) -> Tensor:
    """Pool each row's own tokens into a fixed number of bins.

    Bin ``i`` of ``n`` tokens is ``[floor(i n / p), ceil((i + 1) n / p))``,
    as in ``adaptive_avg_pool1d``; bins overlap where ``p`` does not divide
    ``n``.

    Args:
        x (Tensor): ``(B, S, h)``.
        mask (Tensor, optional): ``(B, S)`` bool, at least one token a row,
            padding anywhere. Defaults to all tokens.
        bins (int): ``p``.
        largest (bool): Maximum instead of mean.

    Returns:
        Tensor: ``(B, p, h)``.
    """
    if mask is None:
        mask = torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
    place = (mask.cumsum(-1) - 1)[:, None]  # (B, 1, S)
    count = mask.sum(-1)[:, None, None]
    i = torch.arange(bins, device=x.device)[:, None]
    inside = mask[:, None] & (place >= i * count // bins) & (
        place < -(-(i + 1) * count // bins))  # (B, p, S)
    if largest:
        x = x[:, None].masked_fill(~inside[..., None],
                                   torch.finfo(x.dtype).min)
        return x.amax(-2)
    weight = inside.to(x.dtype)
    return weight @ x / weight.sum(-1, keepdim=True)
