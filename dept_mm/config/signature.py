"""Read from a signature which options a class takes, and of which kinds."""
from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from functools import cache
from numbers import Integral, Real
from os import PathLike
from types import NoneType, SimpleNamespace, UnionType
from typing import (
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import torch
from mmengine.hooks import CheckpointHook

# Kind -> the classes of values that are of it.
PLAIN = {
    int: Integral, float: Real, str: (str, PathLike), bool: bool,
    NoneType: NoneType, dict: Mapping, Mapping: Mapping,
    MutableMapping: Mapping,
    torch.Tensor: Mapping}  # no config holds one, but a dict may make it
SERIES = (list, tuple, Sequence, Iterable, Collection)


# Their **kwargs reach a function that takes nothing more.
CLOSED = (CheckpointHook, )


class Number:
    """The kind of a value that is no text, and most likely a number."""


class Option(NamedTuple):
    """An option of a part: its annotation, or Any, and its default."""
    hint: Any
    default: Any


class Options(NamedTuple):
    """The options of a part by name, and whether it may take others, too."""
    known: dict[str, Option]
    open: bool


@cache
def read_options(part: Callable) -> Options:
    """Read the options of a class or function, with those of its parents.

    A class takes the options of its parents where it passes ``**kwargs`` on
    to them and does nothing else with them.

    Args:
        part (Callable): What a registry would call.
    """
    if not inspect.isclass(part):
        return _read(part, set(), skip=0)[0]
    known: dict[str, Option] = {}
    passed: set[str | int] | None = set()
    for cls in part.__mro__:
        if cls in (object, torch.nn.Module) or passed is None:
            break
        if '__init__' in vars(cls):
            found, passed = _read(vars(cls)['__init__'], passed, skip=1)
            known = {**found.known, **known}
            if found.open and passed is None and cls not in CLOSED:
                return Options(known, True)
    return Options(known, False)


def _read(function: Callable, passed: set[str | int], skip: int
          ) -> tuple[Options, set[str | int] | None]:
    """Read the options of one function, but for those that a child passes.

    Returns:
        tuple: The options; and what it passes to its parent beside
        ``**kwargs``, names and positions, None if it does not pass those.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # it is written in C
        return Options({}, True), None
    known, rest = {}, None
    for i, one in enumerate(parameters[skip:]):
        if one.kind is one.VAR_KEYWORD:
            rest = one.name
        elif one.kind not in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY) and (
                one.name not in passed and i not in passed):
            hint = _trusted(_hint(function, one.name), function.__module__)
            known[one.name] = Option(hint, one.default)
    return (Options(known, rest is not None),
            _passed_on(function, rest) if rest and skip else None)


def _hint(function: Callable, name: str) -> Any:
    """Return the annotation of a parameter; Any if there is none, or if it
    has a name that only a type checker knows."""
    function = inspect.unwrap(function)
    hint = function.__annotations__.get(name, Any)
    try:
        return get_type_hints(SimpleNamespace(
            __annotations__=dict(it=hint)), vars(sys.modules[
                function.__module__]))['it']
    except Exception:
        return Any


def _trusted(hint: Any, module: str) -> Any:
    """Return what of an annotation is certain.

    Many of MMPretrain's are narrower than what it takes and ships, so that no
    more is certain than that a number is not a text. MMEngine annotates
    ``loss_scale``, a number or a text, as text.
    """
    package = module.partition('.')[0]
    if package == 'mmpretrain':
        kinds = {*get_args(hint)} or {hint}
        return Number if kinds <= {int, float, NoneType} else Any
    return Any if package == 'mmengine' and hint is str else hint


def _passed_on(function: Callable, rest: str) -> set[str | int] | None:
    """Return what else goes to ``super().__init__`` beside ``**rest``.

    Returns:
        set, optional: Names and positions; None if ``rest`` is used for
        anything else.
    """
    try:
        source = inspect.getsource(inspect.unwrap(function))
        tree = ast.parse(textwrap.dedent(source))
    except (OSError, TypeError, SyntaxError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)
             and ast.unparse(node.func).startswith('super(')
             and ast.unparse(node.func).endswith('.__init__')
             and any(k.arg is None and ast.unparse(k.value) == rest
                     for k in node.keywords)]
    uses = sum(isinstance(node, ast.Name) and node.id == rest
               for node in ast.walk(tree))
    if len(calls) != 1 or uses != 1:
        return None
    fixed = [a for a in calls[0].args if not isinstance(a, ast.Starred)]
    return {*range(len(fixed)), *(k.arg for k in calls[0].keywords if k.arg)}


def fits(value: Any, option: Option) -> bool:
    """Tell whether a value may be of the kind that an option wants.

    Kinds other than plain ones and series of them are not judged.
    """
    hint, default = option
    if value is None and default is None:
        return True
    if hint is Any and type(default) is float:
        return not isinstance(value, (str, bool))
    return _is_of(value, hint)


def _is_of(value: Any, hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_of(value, one) for one in args)
    if origin is Literal:
        return value in args
    if hint is Number:
        return not isinstance(value, str) or value == 'inf'
    kind = origin or hint
    if kind in SERIES:
        if isinstance(value, str) or not isinstance(value, Iterable):
            return False
        same = len(args) == 1 or args[1:] == (..., )
        return not same or all(_is_of(one, args[0]) for one in value)
    if kind not in PLAIN:
        return True
    # To Python True is a number.
    return isinstance(value, PLAIN[kind]) and (
        kind is bool or not isinstance(value, bool))


def describe(option: Option) -> str:
    """Describe the kind of an option."""
    hint = option.hint
    if hint is Any or hint is Number:
        return 'a number'
    return inspect.formatannotation(hint).replace('typing.', '')
