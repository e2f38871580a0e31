"""Values of options that MMEngine's parser does not know."""
from __future__ import annotations

import ast
import re
from typing import Any

# A dict, perhaps inside lists. Not "{} ...", which is a template.
_DICTS = re.compile(r"""[\[(\s]*(dict\(|\{\s*['"])""")
# MMEngine takes blanks out of a text, which a template needs.
_TEXT = re.compile(r"""(['"])(?=\S* )(?![\[(])(((?!\1).)*)\1""")


def parse_value(text: str, otherwise: Any) -> Any:
    """Parse a dict or a quoted text.

    Args:
        text (str): ``dict(type='A', ...)`` or ``{'type': 'A', ...}``, or a
            list of them, which are literals of Python; or ``'some words'``.
        otherwise (Callable): Parses all other texts.

    Raises:
        ValueError: If a dict holds anything but literals.
    """
    if _DICTS.match(text):
        try:
            tree = _Calls().visit(ast.parse(text.strip(), mode='eval'))
            return ast.literal_eval(tree)
        except (SyntaxError, TypeError, MemoryError) as error:
            raise ValueError(f'dicts are written as in Python ({error})'
                             ) from error
    found = _TEXT.fullmatch(text.strip())
    return found[2] if found else otherwise(text)


class _Calls(ast.NodeTransformer):
    """Turn ``dict(a=1)`` into ``{'a': 1}``, which is a literal."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id='dict'), args=[], keywords=items):
                names = [item.arg for item in items]
                if None not in names and len(names) == len(set(names)):
                    return ast.Dict([*map(ast.Constant, names)],
                                    [item.value for item in items])
        return node
