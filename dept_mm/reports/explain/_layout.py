"""Which tokens stand where in each tower, and which of them are learned."""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip.text_tower import OpaqueTextTower
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.structures import Prompts

Token = dict  # name, count [least, most], state, sources, per, new


def token_layout(model: nn.Module, batch_size: int) -> dict:
    """Tokens of both towers in training, read off the ``Prompts`` that the
    learner really returns.

    Args:
        model (nn.Module): A classifier.
        batch_size (int): ``B``.

    Returns:
        dict: ``text`` and ``image``, each None or a dict with ``blocks``,
        ``width`` and ``layers``; empty for a stock backbone.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, PromptedCLIP):
        return {}
    names = {id(p): n for n, p in model.named_parameters()}
    return dict(text=_text(backbone.train(), batch_size, names),
                image=_image(backbone, names))


def _text(backbone: PromptedCLIP, batch: int, names: dict) -> dict | None:
    vocabulary, clip = backbone.vocabulary, backbone.clip
    # Where each class has sentences of its own, none stands for the others.
    if vocabulary is None or backbone.sentences is not None:
        return None
    sentences = backbone._sentences(vocabulary)
    rows = tuple(vocabulary.base_labels)
    tokens = backbone._rows(rows)[0]
    prompts, position = Prompts(), 'end'
    if backbone.prompt is not None:
        image = torch.randn(batch, clip.spec.embed_dim,
                            dtype=clip.model.logit_scale.dtype)
        tokens, prompts = backbone.text_prompts(image, rows)
        position = backbone.prompt.position
    tower = clip.text_tower
    own = _sentence(tokens, sentences[0])
    found = dict(classes=len(rows), templates=len(sentences),
                 once=0, each=tokens.ids.numel() + len(rows) * _length(
                     prompts.context), offset=None)
    if isinstance(tower, OpaqueTextTower):
        return dict(found, blocks=None, width=None,
                    layers=[_layer(0, 0, own)])
    shape = *tokens.ids.shape, tower.width
    found['offset'] = _offset(prompts, names, shape)
    if tower.engine is not None:
        layout = tower.engine.layout(tokens, prompts, position)
        found.update(once=len(layout.prefix), each=layout.packing.total)
    if prompts.context is not None:
        count = _length(prompts.context)
        half = dict(end=count, middle=count // 2, front=0)[position]
        own = _with_context(own, prompts.context, half, names)
    layers = _layers(own, prompts, tower.num_layers, names, shape, late=1)
    return dict(found, blocks=tower.num_layers, width=tower.width,
                layers=layers)


def _image(backbone: PromptedCLIP, names: dict) -> dict:
    prompts = backbone.prompt.for_image() if backbone.prompt else Prompts()
    tower = backbone.clip.image_tower
    try:
        blocks, width = tower.num_layers, tower.width
    except DeptError:  # a convolutional tower
        return dict(kind=type(tower.visual).__name__, blocks=None,
                    width=None, layers=[], offset=None)
    count = tower.num_tokens
    own = [_own('class token', 1), _own('patch', count - 1)]
    if prompts.context is not None:
        own.append(_part('context', prompts.context, names))
    shape = 1, count, width
    layers = _layers(own, prompts, blocks, names, shape)
    return dict(kind=type(tower.visual).__name__, blocks=blocks, width=width,
                layers=layers,
                offset=_offset(prompts, names, shape, image=True))


def _offset(prompts: Prompts, names: dict, shape: tuple[int, int, int],
            image: bool = False) -> Token | None:
    """What is added to the tower's own tokens ``(N, T, W)``."""
    offset = prompts.offset
    if callable(offset):
        offset = offset(torch.zeros(shape))
    return _part('offset', offset, names, image)


def _length(context: Tensor | None) -> int:
    return 0 if context is None else context.shape[-2]


def _own(name: str, least: int, most: int | None = None) -> Token:
    return dict(name=name, count=[least, least if most is None else most],
                state='frozen', sources=[], per=None, new=False)


def _sentence(tokens: ClassTokens, template: str) -> list[Token]:
    """The text tower's own tokens: start, words, name, words, end."""
    head, _, tail = template.partition('{}')
    lead = tokens.name_start - tokens.start
    name = tokens.name_end - tokens.name_start
    after = tokens.end - tokens.name_end
    found = [_own('start', tokens.start), _own(head.strip(), lead),
             _own('name', int(name.min()), int(name.max())),
             _own(tail.strip(), int(after.min()), int(after.max())),
             _own('end', 1)]
    return [token for token in found if token['count'][1]]


def _with_context(own: list[Token], context: Tensor, half: int, names: dict
                  ) -> list[Token]:
    """Context, ``half`` of it behind the start token, the rest behind the
    class name."""
    found = []
    part = _part('context', context, names)
    rest = part['count'][0] - half
    for token in own:
        found.append(token)
        here = dict(start=half, name=rest).get(token['name'], 0)
        if here:
            found.append(dict(part, count=[here, here]))
    return found


def _layers(tokens: list[Token], prompts: Prompts, blocks: int, names: dict,
            shape: tuple[int, int, int], late: int | None = None
            ) -> list[dict]:
    """Follow the tokens through the blocks, as the towers do.

    Args:
        tokens (list): Those of the first block.
        prompts (Prompts): Of this tower.
        blocks (int): Number of blocks.
        names (dict): ``id`` of a parameter -> its name.
        shape (tuple): ``(N, L, W)`` of the tower's own tokens.
        late (int, optional): Where inserted tokens go; None is the end.
    """
    layers = []
    for i in range(blocks):
        tokens = [dict(token, new=False) for token in tokens]
        if i in prompts.inserted:
            given = prompts.inserted[i]
            if callable(given):
                length = sum(t['count'][1] for t in tokens)
                hidden = torch.zeros(shape[0], length, shape[2])
                given = given(hidden, torch.zeros(shape[0]).long())
            part = dict(_part('inserted', given, names, image=late is None),
                        new=True)
            if i in prompts.front:
                tokens.insert(0, part)
                late += 1
            else:
                tokens.insert(len(tokens) if late is None else late, part)
        if i in prompts.deep:
            part = _part('context', prompts.deep[i], names,
                         image=late is None)
            tokens = [dict(part, new=True) if t['name'] == 'context' else t
                      for t in tokens]
        if layers and _alike(layers[-1]['tokens'], tokens):
            layers[-1]['last'] = i
            _add_sources(layers[-1]['tokens'], tokens)
        else:
            layers.append(_layer(i, i, tokens))
    return layers


def _layer(first: int, last: int, tokens: list[Token]) -> dict:
    length = [sum(t['count'][k] for t in tokens) for k in (0, 1)]
    return dict(first=first, last=last, tokens=tokens, length=length)


def _alike(a: list[Token], b: list[Token]) -> bool:
    """Whether two blocks differ in the parameters alone."""
    def plain(tokens):
        return [{k: v for k, v in t.items() if k != 'sources'}
                for t in tokens]

    return plain(a) == plain(b)


def _add_sources(to: list[Token], tokens: list[Token]) -> None:
    for old, token in zip(to, tokens, strict=True):
        old['sources'] = list(dict.fromkeys(old['sources']
                                            + token['sources']))


def _part(name: str, tensor: Tensor | None, names: dict, image: bool = False
          ) -> Token | None:
    """Describe learned tokens ``(..., n, W)``."""
    if tensor is None:
        return None
    sources = sorted(set(_sources(tensor, names)))
    state = ('frozen', 'learned')[bool(sources)]
    if len(sources) > 1:
        state = 'computed'
    per = None
    if tensor.ndim == 4:
        per = 'image' if tensor.shape[1] == 1 else 'image and class'
    elif tensor.ndim == 3:
        per = 'image' if image else 'class'
    count = tensor.shape[-2]
    return dict(name=name, count=[count, count], state=state,
                sources=sources, per=per, new=False)


def _sources(tensor: Tensor, names: dict) -> Iterator[str]:
    """Names of the parameters that a tensor was computed from."""
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
