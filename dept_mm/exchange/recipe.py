"""The config of a model as data: reading a dumped one without running it."""
from __future__ import annotations

import ast
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.models.class_texts.sentences import ClassSentences


def parse_config(text: str) -> dict[str, Any]:
    """Read a dumped config without running it.

    A config file is Python, but one that MMEngine has dumped (``pretty_text``,
    which checkpoints hold) only assigns literals and ``dict(...)`` calls. A
    value that JSON cannot express stays as its source text.

    Args:
        text (str): The dumped config.

    Returns:
        dict: Names and values, in JSON types.

    Raises:
        DeptError: If the text is anything else.
    """
    try:
        body = ast.parse(text).body
        if not all(isinstance(line, ast.Assign)
                   and isinstance(line.targets[0], ast.Name)
                   for line in body):
            raise ValueError('it does more than assign values')
        return {line.targets[0].id: _parse_value(line.value) for line in body}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DeptError(f'This is not a dumped config: {error}') from error


def embed_sentences(recipe: dict[str, Any]) -> dict[str, Any]:
    """Copy a recipe, with the sentences of a file in place of its path.

    Raises:
        DeptError: If the file cannot be read.
    """
    backbone = recipe.get('model', {}).get('backbone', {})
    path = backbone.get('sentences')
    if not isinstance(path, str):
        return recipe
    backbone = dict(backbone, sentences=ClassSentences(path).to_dict())
    return dict(recipe, model=dict(recipe['model'], backbone=backbone))


def _parse_value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | None):
            return node.value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_parse_value(item) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {str(_parse_value(key)): _parse_value(value)
                    for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id='dict'), args=[], keywords=items):
            return {str(item.arg): _parse_value(item.value) for item in items}
        # mmengine writes keys that are no names in this way.
        case ast.Call(func=ast.Name(id='dict'), args=[ast.Dict() as inside],
                      keywords=[]):
            return _parse_value(inside)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(
                value=int() | float() as value)):
            return -value
    return ast.unparse(node)
