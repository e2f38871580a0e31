"""The rooms of the package: who may import whom, read off the source."""
import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'dept_mm'
# A room imports rooms that stand before it.
ORDER = ('errors', 'version', 'registry', 'utils', 'structures', 'models',
         'datasets', 'evaluation', 'exchange', 'config', 'cli', 'engine',
         'language', 'apis', 'export', 'reports')
# Imported by configs, scripts and functions that use it, and by nothing that
# is imported with the package.
LANGUAGE = 'language'
# Files of the whole package, which check and register.
TOP = ('__init__', '_host')
# Reports are for the command line tools.
NOT_AT_THE_TOP = ('export', 'reports', 'cli', 'config', LANGUAGE)


def room_of(path: Path) -> str:
    """The first folder below the package, or the file itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix('.py')


def imports(source: str) -> Iterator[str]:
    """Modules that a file imports, whenever it does; of its own folder
    ``.name``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module == 'dept_mm':  # rooms themselves
                yield from (f'dept_mm.{alias.name}' for alias in node.names)
            else:
                yield '.' * node.level + (node.module or '')


def allowed(room: str, module: str) -> bool:
    """Whether a file of a room may import a module."""
    if module.startswith('..'):
        return False  # it would hide where it goes
    if not module.startswith('dept_mm.'):
        return not module.startswith('mmpretrain.models.multimodal')
    target = module.split('.')[1]
    if room in TOP:
        return target not in NOT_AT_THE_TOP
    if target == room:
        return True
    return target in ORDER[:ORDER.index(room)]


def test_arrows_point_one_way():
    wrong = {
        f'{path.relative_to(PACKAGE)}: {module}'
        for path in sorted(PACKAGE.rglob('*.py'))
        for module in imports(path.read_text())
        if not allowed(room_of(path), module)}
    assert not wrong


def test_all_rooms_are_known():
    found = {room_of(path) for path in PACKAGE.rglob('*.py')}
    assert found == {*ORDER, *TOP}


def test_what_is_refused():
    """The check can fail."""
    assert list(imports('def f():\n    from dept_mm.apis import build\n')) == [
        'dept_mm.apis']
    assert list(imports('from dept_mm import language, models')) == [
        'dept_mm.language', 'dept_mm.models']
    assert allowed('engine', 'dept_mm.config.fingerprint')
    assert allowed('datasets', '.splits') and allowed(LANGUAGE, 'dept_mm.'
                                                      'engine.hooks')
    for room, module in (
            ('engine', 'dept_mm.apis'), ('cli', 'dept_mm.engine.hooks'),
            ('models', 'dept_mm.datasets'), ('apis', 'dept_mm.reports'),
            ('engine', 'dept_mm.language'), ('__init__', 'dept_mm.language'),
            (LANGUAGE, 'dept_mm.apis'), ('errors', 'dept_mm.version.x'),
            ('models', '..errors')):
        assert not allowed(room, module)


def test_what_waits_until_it_is_used():
    """mmengine imports transformers where it is installed; this package must
    not need it to be imported. Other rooms import language inside functions.
    """
    for path in PACKAGE.rglob('*.py'):
        at_import = [node for node in ast.parse(path.read_text()).body
                     if isinstance(node, (ast.Import, ast.ImportFrom))]
        found = [module.split('.') for module in imports(
            '\n'.join(map(ast.unparse, at_import)))]
        assert not [parts for parts in found if parts[0] == 'transformers' or (
            parts[:2] == ['dept_mm', LANGUAGE]
            and room_of(path) != LANGUAGE)], path
