"""Prompt modules in one tower."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts._init import check_range
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts

# What a module gets on CLIP where its config is silent and it takes it: as
# large as 16 soft tokens, see the module's own file for the options.
DEFAULTS = dict(num_tokens=4, rank='match:16', w1_init='linear',
                generator='npg', bottleneck=32, pre_norm=True)
Read = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


class TowerModules(BaseModule):
    """At most one module of the input, and late ones at different layers.

    Args:
        name (str): ``'text'`` or ``'image'``; for messages.
        tower: Of a ``FrozenCLIP``; gives sizes.
        configs (Sequence[Mapping]): Registered modules. One of the input
            takes ``scope`` as well: ``'all'`` own tokens are moved, or
            ``'no_special'``, all but start, end and class token.
        start (Callable): Filled-in options of a module, and whether it is
            late, to the ``init`` it is built with.
        **defaults: Further defaults; a function is of the options so far.

    Raises:
        DeptError: If a module does not fit the tower or another module.
    """

    def __init__(self, name: str, tower, configs: Sequence[Mapping],
                 start: Callable[[dict, bool], Tensor | float | None],
                 **defaults) -> None:
        super().__init__()
        self.input = None
        self.late = nn.ModuleList()
        self.scope = 'all'
        defaults = dict(DEFAULTS, embed_dims=tower.width,
                        layer=tower.num_layers // 2, **defaults)
        for config in configs:
            options, late = _fill(config, defaults)
            where = f'{config["type"]} in the {name} tower'
            if late:
                check_range(where, 'layer', options['layer'], 0,
                            tower.num_layers - 1, 'behind the last block '
                            'nothing would see the tokens')
                if options['layer'] in [m.layer for m in self.late]:
                    raise DeptError(f'{where}: there is another module at '
                                    f'layer {options["layer"]}.')
            elif self.input is not None:
                raise DeptError(
                    f'{where}: there is a {type(self.input).__name__} at the '
                    'input already, which takes one module.')
            else:
                self.scope = _scope(where, options.pop('scope', 'all'))
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
        """What shapes do not tell of the modules."""
        modules = [m for m in (self.input, *self.late) if m is not None]
        return dict(scope=self.scope, modules=[
            dict(type=type(m).__name__, **m.settings) for m in modules])

    def see(self, length: int | Tensor) -> None:
        """Note the length of an input that is trained on."""
        if hasattr(self.input, 'see'):
            self.input.see(length)

    def prompts(self, place: Tensor, ordinary: Tensor, read: Read) -> Prompts:
        """What the tower runs with.

        Args:
            place (Tensor): ``(T, )``, slots of the own tokens.
            ordinary (Tensor): ``(T, )`` or ``(C, T)``, which of them are no
                special tokens.
            read (Callable): A late module, hidden states ``(N, L, W)`` and
                ``last (N, )`` to the mask ``(N, L)`` and the anchor ``(N,
                )`` it generates from.
        """
        context = offset = None
        shared, module = True, self.input
        if self.num_tokens:
            context = module.tokens()
        if getattr(module, 'rank', 0):
            offset = partial(
                module.offset, place=place,
                scope=None if self.scope == 'all' else ordinary)
            shared = not (self.training and getattr(module, 'dropout', 0))
        inserted = {m.layer: _given(m, read) for m in self.late}
        return Prompts(context, offset, inserted=inserted,
                       offset_shared=shared)


def _fill(config: Mapping, defaults: Mapping) -> tuple[dict, bool]:
    """Options with defaults filled in, and whether the module is late."""
    module = config['type']
    if isinstance(module, str):
        module = MODELS.get(module)
    if not hasattr(module, 'tokens'):
        raise DeptError(f'TowerPrompts: {config["type"]!r} is no prompt '
                        'module; see dept_mm.models.prompt_modules.')
    late = hasattr(module, 'generate')
    options = dict(config)
    takes = inspect.signature(module).parameters
    for key, value in defaults.items():
        if key in takes and key not in options:
            options[key] = value(options) if callable(value) else value
    return options, late


def _scope(where: str, scope: str) -> str:
    if scope not in ('all', 'no_special'):
        raise DeptError(f"{where}: scope {scope!r} is neither 'all' nor "
                        "'no_special'.")
    return scope


def _given(module: nn.Module, read: Read):
    """Free tokens as they are: all inputs share them. Or a function."""
    tokens = module.tokens()
    if tokens is not None:
        return tokens
    return lambda hidden, last: module.generate(
        hidden, *read(module, hidden, last))
