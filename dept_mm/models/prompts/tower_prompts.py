"""Soft, Decomposed, Adaptive-Decomposed and Late prompts in the towers of
CLIP."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import ClassTokens, FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.initial import (
    image_hidden,
    sample_rows,
    text_hidden,
    vocabulary_rows,
    word_rows,
)
from dept_mm.models.prompts.tokens import check_count
from dept_mm.models.prompts.tower_modules import TowerModules
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary

# What a config may choose in a tower, the default first.
TEXT = dict(scope=('all', 'no_special', 'name'),
            placement=('after_sos', 'before_sos'))
IMAGE = dict(scope=('all', 'no_special'), placement=('end', ))


@MODELS.register_module()
class TowerPrompts(BasePrompt):
    """Put prompt modules, which know no CLIP, into the towers of one.

    Each tower takes at most one module of its input (``SoftPrompt``,
    ``DecomposedPrompt``, ``ADePTPrompt``) and any number of ``LatePrompt`` at
    different layers. Sizes are the CLIP's; other options default to
    ``tower_modules.DEFAULTS``.

    * Input tokens of the text tower replace the template, as in CoOp;
      without any, classes keep the data set's own. They start from ``init``:
      words (``'a photo of a'`` by default), ``dict(seed=0)`` for words drawn
      from the vocabulary, or a number, the deviation of noise.
    * Offsets never move context. Text: token ``j`` of a sentence is counted
      from the start token. Image: the class token is 0, then patches. They
      move ``scope``: ``'all'`` own tokens, ``'no_special'``, all but start,
      end and class token, or ``'name'``, in text, those of the class name.
    * Late tokens start from hidden states at their layer (``init='hidden'``),
      of class sentences or of an image in the mean colour. ``npg`` reads the
      end-of-text token, so prompts know the class, or the class token, so
      they know the image; pooling generators read the sentence up to its
      end, or the patches. In text their ``placement`` is ``'after_sos'``, or
      ``'before_sos'``, as the paper has it: then the start token sees them.
      With ``condition='image'`` a linear map of the image's direction is
      added, and each image has text features of its own, ``(B, C, D)``.
    * Names of parameters begin with ``prompt_tokens``, ``offset_`` or
      ``late_``: keys of ``paramwise_cfg.custom_keys``, for learning rates of
      their own.
    * Below the first late prompt nothing is back-propagated, and in text
      nothing is computed twice, unless the tower has input prompts as well.

    Args:
        clip (FrozenCLIP): Gives sizes, words and hidden states.
        vocabulary (Vocabulary): Its base classes give sentences to start
            from.
        text (Sequence[Mapping]): Modules of the text tower.
        image (Sequence[Mapping]): Modules of the image tower.

    Raises:
        DeptError: If an option is out of range, a module does not fit its
            tower, or there is nothing to learn.

    Examples:
        >>> prompt = dict(type='TowerPrompts', text=[
        ...     dict(type='ADePTPrompt'), dict(type='LatePrompt', layer=6)])
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 text: Sequence[Mapping] = (), image: Sequence[Mapping] = ()
                 ) -> None:
        super().__init__()
        self.text = self.image = None
        self.template = None
        if text:
            self._build_text(clip, vocabulary, text)
        if image:
            self._build_image(clip, image)
        if not any(p.requires_grad for p in self.parameters()):
            raise DeptError('TowerPrompts: there is nothing to learn; give '
                            "modules for 'text' or 'image'.")
        self.to(clip.learned_dtype)

    def _build_text(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                    configs: Sequence[Mapping]) -> None:
        tower = clip.text_tower
        names = [vocabulary.names[i] for i in vocabulary.base_labels]
        some = names[:16]  # enough words to start late tokens from
        # Order is nothing to tokens that all see each other.
        choices = TEXT if tower.causal else dict(TEXT, placement=TEXT[
            'placement'][:1])
        self.text = TowerModules(
            'text', tower, configs, choices,
            partial(_start, default='a photo of a',
                    words=partial(_words, clip),
                    hidden=partial(text_hidden, clip, some,
                                   vocabulary.templates[0])),
            # No room at all is refused below, for modules of all kinds.
            max_length=lambda given: max(
                1, tower.context_length - given['num_tokens']),
            untrained_rows='mask', anchor='last',
            image_dims=clip.spec.embed_dim)
        self.per_image = self.text.per_image
        for module in self.text.late:
            if (tower.causal and module.generator == 'npg'
                    and module.anchor == 'first'):
                raise DeptError(
                    "LatePrompt in the text tower: with anchor='first' all "
                    "classes get the same tokens, since the start token sees "
                    "no word. Use anchor='last', or generator='none'.")
        if self.text.num_tokens:
            check_count(self, 'num_tokens', self.text.num_tokens, clip)
            self.template = '{}.'
            self.num_context = self.text.num_tokens
        tokens = clip.tokenize(names, self.sentence(vocabulary.templates[0]),
                               self.num_context)
        self.text.note_length(int(_bounds(tokens, self.text.scope)[1].max()))

    def _build_image(self, clip: FrozenCLIP, configs: Sequence[Mapping]
                     ) -> None:
        tower = clip.image_tower
        self.image = TowerModules(
            'image', tower, configs, IMAGE,
            partial(_start, hidden=partial(image_hidden, clip)),
            max_length=tower.num_tokens, anchor='first')
        self._image_tokens = tower.num_tokens
        for module in self.image.late:
            if module.anchor != 'first':
                raise DeptError(
                    'LatePrompt in the image tower: only the class token, '
                    "anchor='first', has seen the whole image.")

    @property
    def settings(self) -> dict:
        """Settings of the modules of each tower."""
        return {name: tower and tower.settings for name, tower in (
            ('text', self.text), ('image', self.image))}

    def for_text(self, given: TextInput) -> Prompts:
        """Return the prompts of ``C`` sentences with ``T`` own tokens."""
        if self.text is None:
            return Prompts()
        tokens = given.tokens
        first, stop = _bounds(tokens, self.text.scope)
        if self.training:
            # Processes may share classes; the base classes were seen before.
            self.text.note_length(stop.max())
        place = torch.arange(tokens.ids.shape[1], device=tokens.ids.device)
        moved = (place >= first) & (place < stop[:, None])
        image = (F.normalize(given.image, dim=-1) if self.per_image
                 else None)
        return self.text.prompts(place, moved, _read_text, image)

    def for_image(self) -> Prompts:
        """Return the prompts of images with a class token and patches."""
        if self.image is None:
            return Prompts()
        device = next(self.image.parameters()).device
        place = torch.arange(self._image_tokens, device=device)
        return self.image.prompts(place, place > 0, self._read_image)

    def _read_image(self, module: nn.Module, hidden: Tensor, last: Tensor
                    ) -> tuple[Tensor, Tensor]:
        """Return the patches, and the class token."""
        slots = torch.arange(hidden.shape[1], device=hidden.device)
        patches = (slots > 0) & (slots < self._image_tokens)
        return patches.expand(hidden.shape[0], -1), last


def _bounds(tokens: ClassTokens, scope: str) -> tuple[int, Tensor]:
    """Return the first slot that an offset moves, and those behind the last.
    """
    return dict(all=(0, tokens.end + 1),
                no_special=(tokens.start, tokens.end),
                name=(tokens.name_start, tokens.name_end))[scope]


def _read_text(module: nn.Module, hidden: Tensor, last: Tensor
               ) -> tuple[Tensor, Tensor]:
    """Return the sentence up to its end, and its end or start token."""
    slots = torch.arange(hidden.shape[1], device=hidden.device)
    anchor = last if module.anchor == 'last' else torch.zeros_like(last)
    return slots <= last[:, None], anchor


def _words(clip: FrozenCLIP, init: str | Mapping, count: int) -> Tensor:
    """Return the embeddings of a text, or of ``count`` words that are drawn.
    """
    if isinstance(init, str):
        return word_rows(clip, init)
    return vocabulary_rows(clip, count, **init)


def _start(options: dict, late: bool, hidden, words=None, default=None
           ) -> Tensor | float | None:
    """Choose the values that a module starts from; a number stays as it is.

    Args:
        options (dict): Of the module.
        late (bool): Whether it is late.
        hidden (Callable): A layer to rows ``(n, W)``.
        words (Callable, optional): ``init`` and a count to rows, where the
            tower has words.
        default: ``init`` of a module of the input.
    """
    init = options.get('init', 'hidden' if late else default)
    if init is None or isinstance(init, (int, float)):
        return init
    if late and init == 'hidden':
        rows = hidden(options['layer'])
        return sample_rows(rows, min(len(rows), options['num_tokens']))
    if words and not late:
        return words(init, max(options['num_tokens'], 1))
    raise DeptError(f'{options["type"]}: init {init!r} is not for this '
                    'place; give a number'
                    + (" or 'hidden'." if late else '.'))
