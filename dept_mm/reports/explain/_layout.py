"""Find out which tokens stand where in each tower, and which are learned."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import FeatureCLIP
from dept_mm.models.clip.text_tower import OpaqueTextTower
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.models.clip.walk import Slot, join, walk
from dept_mm.structures.prompts import BlockParts, Prompts, axes_of

Token = dict  # name, count [least, most], state, sources, per, new


def token_layout(model: nn.Module, batch_size: int) -> dict:
    """List the tokens of both towers in training, from the ``Prompts`` that
    the learner really returns.

    Args:
        model (nn.Module): A classifier.
        batch_size (int): ``B``.

    Returns:
        dict: ``text`` and ``image``, each None or a dict with ``blocks``,
        ``width`` and ``layers``; empty for a stock backbone.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, PromptedCLIP) or isinstance(
            backbone.clip, FeatureCLIP):
        return {}
    names = {id(p): n for n, p in model.named_parameters()}
    return dict(text=_text(backbone.train(), batch_size, names),
                image=_image(backbone, names))


def _text(backbone: PromptedCLIP, batch: int, names: dict) -> dict | None:
    vocabulary, clip = backbone.vocabulary, backbone.clip
    # Where each class has sentences of its own, none stands for the others.
    if vocabulary is None or backbone.texts.sentences is not None:
        return None
    sentences = tuple(backbone.texts.tokens)
    rows = tuple(vocabulary.base_labels)
    tokens = backbone.texts.tokens_of(rows)[0]
    prompts, position = Prompts(), 'end'
    if backbone.prompt is not None:
        image = torch.randn(batch, clip.spec.embed_dim,
                            dtype=clip.model.logit_scale.dtype)
        tokens, prompts = backbone.texts.prompts(rows, image)
        position = backbone.prompt.position
    tower = clip.text_tower
    own = _sentence(tokens, sentences[0])
    found = dict(classes=len(rows), templates=len(sentences), once=0,
                 each=tokens.ids.numel() + len(rows) * prompts.num_context,
                 offset=None)
    if isinstance(tower, OpaqueTextTower):
        return dict(found, blocks=None, width=None,
                    layers=[make_layer(0, 0, own)])
    if tower.engine is not None:
        state = tower.engine.assemble(tokens, prompts, position)
        found.update(once=state.prefix.shape[-2], each=state.packing.total)
    layers = _Layers(own, (*tokens.ids.shape, tower.width), names)
    join(layers, prompts, tokens.start, position, tokens.name_end)
    walk(layers, range(tower.num_layers), prompts, tokens.start)
    return dict(found, blocks=tower.num_layers, width=tower.width,
                layers=layers.found, offset=layers.offset(prompts))


def _image(backbone: PromptedCLIP, names: dict) -> dict:
    prompts = backbone.prompt.for_image() if backbone.prompt else Prompts()
    tower = backbone.clip.image_tower
    found = dict(kind=type(tower.visual).__name__, blocks=None, width=None,
                 layers=[], offset=None)
    try:
        blocks, width = tower.num_layers, tower.width
    except DeptError:  # a convolutional tower
        return found
    count = tower.num_tokens
    own = [make_token('class token', 1), make_token('patch', count - 1)]
    layers = _Layers(own, (1, count, width), names, image_tower=True)
    join(layers, prompts, count)
    walk(layers, range(blocks), prompts, count, end=True)
    return dict(found, blocks=blocks, width=width, layers=layers.found,
                offset=layers.offset(prompts))


def make_token(name: str, least: int, most: int | None = None) -> Token:
    return dict(name=name, count=[least, least if most is None else most],
                state='frozen', sources=[], per=None, new=False)


def _sentence(tokens: ClassTokens, template: str) -> list[Token]:
    """List the text tower's own tokens: start, words, name, words, end."""
    head, _, tail = template.partition('{}')
    lead = tokens.name_start - tokens.start
    name = tokens.name_end - tokens.name_start
    after = tokens.end - tokens.name_end
    found = [make_token('start', tokens.start), make_token(head.strip(), lead),
             make_token('name', int(name.min()), int(name.max())),
             make_token(tail.strip(), int(after.min()), int(after.max())),
             make_token('end', 1)]
    return [token for token in found if token['count'][1]]


class _Layers:
    """Follow groups of tokens through the blocks; see ``walk``.

    Args:
        tokens (list[Token]): The tower's own ones.
        shape (tuple[int, int, int]): ``(N, T, W)`` of them.
        names (dict): ``id`` of a parameter -> its name.
        image_tower (bool): Whether they are of an image. Defaults to False.

    Attributes:
        found (list[dict]): Runs of blocks with the same tokens.
    """

    def __init__(self, tokens: list[Token], shape: tuple[int, int, int],
                 names: dict, image_tower: bool = False) -> None:
        self.tokens = tokens
        self.shape = shape
        self.names = names
        self.image_tower = image_tower
        self.found: list[dict] = []

    def put(self, tokens: Tensor, slot: Slot, replaced: int, name: str
            ) -> None:
        """Put a group in, in place of whole groups."""
        new = name == 'inserted' or bool(self.found)
        at = self._group(slot)
        self.tokens[at:self._group(slot + replaced)] = [
            dict(self._describe(name, tokens), new=new)]

    def _group(self, slot: Slot) -> int:
        """The group that begins at a slot; where each class has its own,
        the one behind the name."""
        at = 0
        if isinstance(slot, Tensor):
            return [t['name'] for t in self.tokens].index('name') + 1
        while slot > 0:
            slot -= self.tokens[at]['count'][1]
            at += 1
        return at

    def whole(self) -> tuple[Tensor, Tensor]:
        """Hidden states of the right shape, for functions."""
        length = sum(token['count'][1] for token in self.tokens)
        hidden = torch.zeros(self.shape[0], length, self.shape[2])
        return hidden, torch.zeros(len(hidden), dtype=torch.long)

    def take(self, slot: int, count: int) -> Tensor:
        """Tokens of the right shape, for functions."""
        return torch.zeros(count, self.shape[2])

    def run(self, block: int, last: bool, parts: BlockParts) -> None:
        """Note the tokens of a block, and what joins inside."""
        inside = [dict(name=f.name, sources=self._inside(part))
                  for f in fields(parts)
                  if (part := getattr(parts, f.name)) is not None]
        before = self.found[-1] if self.found else None
        if (before and _alike(before['tokens'], self.tokens)
                and _alike(before['inside'], inside)):
            before['last'] = block
            _add_sources(before['tokens'], self.tokens)
            _add_sources(before['inside'], inside)
        else:
            self.found.append(make_layer(block, block, self.tokens, inside))
        self.tokens = [dict(token, new=False) for token in self.tokens]

    def _inside(self, part: Callable[[Tensor], Tensor]) -> list[str]:
        """List the parameters of what is learned inside a block: a function
        of tokens, or a block."""
        if isinstance(part, nn.Module):
            return [self.names[id(p)] for p in part.parameters()]
        return list(_sources(part(torch.zeros(1, self.shape[2])), self.names))

    def offset(self, prompts: Prompts) -> Token | None:
        """What is added to the tower's own tokens."""
        offset = prompts.offset_of(torch.zeros(self.shape))
        return None if offset is None else self._describe('offset', offset)

    def _describe(self, name: str, tensor: Tensor) -> Token:
        """Tokens ``(..., n, W)`` that may be learned."""
        sources = sorted(set(_sources(tensor, self.names)))
        state = ('frozen', 'learned', 'computed')[min(len(sources), 2)]
        axes = axes_of(tensor, self.image_tower)
        return dict(make_token(name, tensor.shape[-2]), state=state,
                    sources=sources, per=' and '.join(axes) or None)


def make_layer(first: int, last: int, tokens: list[Token],
               inside: Sequence[dict] = ()) -> dict:
    length = [sum(t['count'][k] for t in tokens) for k in (0, 1)]
    return dict(first=first, last=last, tokens=tokens, length=length,
                inside=list(inside))


def _alike(a: list[Token], b: list[Token]) -> bool:
    """Tell whether two blocks differ in their parameters alone."""
    def plain(tokens):
        return [{k: v for k, v in t.items() if k != 'sources'}
                for t in tokens]

    return plain(a) == plain(b)


def _add_sources(to: list[Token], tokens: list[Token]) -> None:
    for old, token in zip(to, tokens, strict=True):
        old['sources'] = list(dict.fromkeys(old['sources']
                                            + token['sources']))


def _sources(tensor: Tensor, names: dict) -> Iterator[str]:
    """Yield the names of the parameters that a tensor was computed from."""
    if id(tensor) in names:
        yield names[id(tensor)]
    seen, todo = set(), [tensor.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, 'variable', None)
        if leaf is not None and id(leaf) in names:
            yield names[id(leaf)]
        todo.extend(child for child, _ in node.next_functions)
