"""Put prompt modules into one tower of a CLIP."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts.module import PromptModule, check_kind
from dept_mm.models.prompts.tokens import check_range
from dept_mm.registry import MODELS
from dept_mm.structures.prompts import Inserted, Prompts

# What a module gets on CLIP where its config is silent and it takes it: as
# large as 16 soft tokens, see the module's own file for the options.
DEFAULTS = dict(num_tokens=4, rank='match:16', w1_init='linear',
                generator='npg', bottleneck=32, pre_norm=True)
Read = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


class TowerModules(BaseModule):
    """Hold one module for the input, and late modules for different layers.

    Args:
        name (str): ``'text'`` or ``'image'``; for messages.
        tower: Of a ``FrozenCLIP``; gives sizes.
        configs (Sequence[Mapping]): Registered modules. One of the input
            takes ``scope`` as well, a late one ``placement``.
        choices (Mapping): ``scope`` and ``placement`` -> values that the
            tower knows, the default first.
        start (Callable): Filled-in options of a module, and whether it is
            late, to the ``init`` it is built with.
        **defaults: Further defaults; a function is of the options so far.

    Raises:
        DeptError: If a module does not fit the tower or another module.
    """

    def __init__(self, name: str, tower, configs: Sequence[Mapping],
                 choices: Mapping[str, Sequence[str]],
                 start: Callable[[dict, bool], Tensor | float | None],
                 **defaults) -> None:
        super().__init__()
        self.input = None
        self.late = nn.ModuleList()
        self.scope = choices['scope'][0]
        self.front: list[int] = []
        defaults = dict(DEFAULTS, embed_dims=tower.width,
                        layer=tower.num_layers // 2, **defaults)
        for config in configs:
            options, late = _fill(f'TowerPrompts({name}=[...])', config,
                                  defaults)
            where = f'{config["type"]} in the {name} tower'
            if late:
                check_range(where, 'layer', options['layer'], 0,
                            tower.num_layers - 1, 'behind the last block '
                            'nothing would see the tokens')
                if options['layer'] in [m.layer for m in self.late]:
                    raise DeptError(f'{where}: there is another module at '
                                    f'layer {options["layer"]}.')
                if _choose(where, 'placement', options,
                           choices) == 'before_sos':
                    self.front.append(options['layer'])
            elif self.input is not None:
                raise DeptError(
                    f'{where}: there is a {type(self.input).__name__} at the '
                    'input already, which takes one module.')
            else:
                self.scope = _choose(where, 'scope', options, choices)
            module = MODELS.build(dict(options, init=start(options, late)))
            if late:
                self.late.append(module)
            else:
                self.input = module
        if self.input is not None and self.late:
            print_log(
                f'A {type(self.input).__name__} in the {name} tower is '
                'learned through all blocks: the late prompt beside it saves '
                'neither time nor memory.', logger='current', level=30)

    @property
    def num_tokens(self) -> int:
        """Number of learned tokens at the input."""
        return 0 if self.input is None else self.input.num_tokens

    @property
    def settings(self) -> dict:
        """Settings of all modules, and where they are."""
        modules = [m for m in (self.input, *self.late) if m is not None]
        # Left out where empty, as in checkpoints older than the option.
        front = dict(front=sorted(self.front)) if self.front else {}
        return dict(scope=self.scope, **front, modules=[
            dict(type=type(m).__name__, **m.settings) for m in modules])

    def note_length(self, length: int | Tensor) -> None:
        """Note the length of an input that is trained on."""
        if self.input is not None:
            self.input.note_length(length)

    @property
    def per_image(self) -> bool:
        """Whether late tokens depend on more than the tower's input."""
        return any(m.late_image is not None for m in self.late)

    def prompts(self, place: Tensor, moved: Tensor, read: Read,
                image: Tensor | None = None) -> Prompts:
        """Assemble the prompts that the tower runs with.

        Args:
            place (Tensor): ``(T, )``, slots of the own tokens.
            moved (Tensor): ``(T, )`` or ``(C, T)``, which of them are in
                the scope, if that is not all.
            read (Callable): A late module, hidden states ``(N, L, W)`` and
                ``last (N, )`` to the mask ``(N, L)`` and the anchor ``(N,
                )`` it generates from.
            image (Tensor, optional): ``(B, D)``, where it is
                :attr:`per_image`; ``moved`` is then ``(C, T)``.
        """
        context = offset = None
        shared, module = True, self.input
        if self.num_tokens:
            context = module.tokens()
        if getattr(module, 'rank', 0):
            offset = partial(
                module.offset, place=place,
                scope=None if self.scope == 'all' else moved)
            shared = not (self.training and getattr(module, 'dropout', 0))
        inserted = {m.layer: _given(m, read, len(moved), image)
                    for m in self.late}
        return Prompts(context, offset, inserted=inserted, front=self.front,
                       prefix_shared=shared)


def _fill(where: str, config: Mapping, defaults: Mapping
          ) -> tuple[dict, bool]:
    """Fill in the defaults of a module, and tell whether it is late."""
    module = check_kind(where, config, PromptModule)
    options = dict(config)
    takes = inspect.signature(module).parameters
    for key, value in defaults.items():
        if key in takes and key not in options:
            options[key] = value(options) if callable(value) else value
    return options, module.late


def _choose(where: str, key: str, options: dict, choices: Mapping) -> str:
    """Take an option that belongs to the tower, not to the module."""
    value = options.pop(key, choices[key][0])
    if value not in choices[key]:
        raise DeptError(f'{where}: {key} {value!r} is not one of '
                        f'{choices[key]}.')
    return value


def _given(module: nn.Module, read: Read, classes: int, image: Tensor | None
           ) -> Inserted:
    """Return free tokens, which all inputs share, or a function that generates
    them."""
    shift, tokens = None, module.tokens()
    if module.late_image is not None:
        shift = module.shift(image)[:, None, None]
    if tokens is not None:
        return tokens if shift is None else tokens + shift

    def generate(hidden: Tensor, last: Tensor) -> Tensor:
        x = module.generate(hidden, *read(module, hidden, last))
        return x if shift is None else x.unflatten(0, (-1, classes)) + shift

    return generate
