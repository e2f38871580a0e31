"""A check of the host libraries (torch and the OpenMMLab stack) before use.

OpenMMLab's stack and its maintained onedl forks share their import names, and
both work with this package. The check therefore imports the libraries. Names
of distributions are read only to find two of them that are installed over each
other, and to word advice.
"""
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType

MINIMUM = dict(torch='2.4', mmengine='0.10.6', mmcv='2.0', mmpretrain='1.2')
# import name -> the distributions that own the folder of this name
OWNERS = dict(
    mmengine=('mmengine', 'mmengine-lite', 'onedl-mmengine'),
    mmcv=('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    mmpretrain=('mmpretrain', 'onedl-mmpretrain'))
# First release of transformers that breaks mmpretrain's multimodal models,
# which are imported wherever pycocotools is installed as well.
TOO_NEW = dict(openmmlab='4.52', onedl='5')


def check_host() -> None:
    """Import the host libraries and check what was found.

    Raises:
        ImportError: If a library is missing, too old, broken, or installed
            over another one. The message ends with the command that fixes it.
    """
    installed = installed_owners()
    if fault := find_overlap(installed):
        raise ImportError(fault)
    stack = stack_of(installed)
    # mmcv-lite warns about a missing operator that nothing here uses.
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeform')
    for name in ('torch', 'mmengine', 'mmcv', 'mmcv.transforms', 'mmpretrain',
                 'mmpretrain.utils.dependency', 'mmpretrain.models'):
        module = import_host(name, stack)
        if hasattr(module, 'WITH_MULTIMODAL'):
            leave_out_multimodal(module, stack)
        version = getattr(module, '__version__', None)
        if fault := find_old_version(name, version, stack):
            raise ImportError(fault)


def leave_out_multimodal(dependency: ModuleType, stack: str) -> None:
    """Keep MMPretrain from importing multimodal models that would break it.

    This package needs none of them, but its language models need transformers,
    on whose newer releases they fail. Where they work, they stay.

    Args:
        dependency (ModuleType): ``mmpretrain.utils.dependency``.
        stack (str): Result of :func:`stack_of`.
    """
    try:
        found = distribution('transformers').version
    except PackageNotFoundError:
        return
    if dependency.WITH_MULTIMODAL and (
            _parse_version(found) >= _parse_version(TOO_NEW[stack])):
        dependency.WITH_MULTIMODAL = False
        warnings.warn(f'mmpretrain cannot import its multimodal models with '
                      f'transformers {found}; they are left out.',
                      stacklevel=2)


def installed_owners() -> dict[str, str]:
    """Map each installed host distribution to the folder it lies in."""
    found = {}
    for name in (name for names in OWNERS.values() for name in names):
        try:
            found[name] = str(distribution(name).locate_file(''))
        except PackageNotFoundError:
            continue
    return found


def stack_of(names: Mapping[str, str] | list[str]) -> str:
    """Return the extra (``openmmlab`` or ``onedl``) of these distributions."""
    return 'onedl' if any('onedl-' in name for name in names) else 'openmmlab'


def find_overlap(installed: Mapping[str, str]) -> str | None:
    """Return a message if distributions overwrite each other's files."""
    # Only those in one folder: in two folders, the first on the path wins.
    clashes = []
    for names in OWNERS.values():
        folders = [installed.get(name) for name in names]
        clashes += [name for name in names if name in installed
                    and folders.count(installed[name]) > 1]
    if not clashes:
        return None
    stack = stack_of(clashes)
    # mmcv-lite requires `mmengine`, which would overwrite the fork again.
    remove = clashes if stack == 'openmmlab' else installed
    return (f'{", ".join(clashes)} are installed over each other, although '
            'they provide the same modules. Keep one stack: pip uninstall -y '
            f'{" ".join(remove)} && pip install "dept-mm[{stack}]"')


def find_old_version(name: str, version: str | None, stack: str) -> str | None:
    """Return a message if a library is older than ``MINIMUM`` allows."""
    minimum = MINIMUM.get(name)
    if minimum is None or (version and (
            _parse_version(version) >= _parse_version(minimum))):
        return None
    return (f'dept_mm needs {name}>={minimum}, found {version}: '
            f'{suggest_repair(name, stack, reinstall=name == "mmcv")}')


def import_host(name: str, stack: str,
                importer: Callable = importlib.import_module) -> ModuleType:
    """Import one host library.

    Raises:
        ImportError: If anything goes wrong; the message has the command that
            fixes it.
    """
    root = name.partition('.')[0]
    try:
        return importer(name)
    except Exception as error:  # mmpretrain asserts, others raise TypeError
        what = f'cannot be imported ({type(error).__name__}: {error})'
        mend = suggest_repair(root, stack, reinstall=True)
        if getattr(error, 'name', None) == name == root:
            what, mend = 'is not installed', suggest_repair(root, stack)
        elif isinstance(error, AssertionError):  # mmpretrain's version check
            is_mmcv = 'mmcv' in str(error).lower()
            mend = suggest_repair('mmcv' if is_mmcv else 'mmengine', stack,
                                  reinstall=True)
        elif root == 'mmpretrain' and 'transformers' in sys.modules:
            # Its multimodal models break on many transformers releases.
            # Nothing here needs them; without pycocotools they are left out.
            mend = 'pip uninstall -y pycocotools'
        message = f'dept_mm needs {name}, which {what}: {mend}'
        raise ImportError(message) from error


def suggest_repair(name: str, stack: str, reinstall: bool = False) -> str:
    """Return the command that repairs the installation of one library."""
    if name == 'torch':
        return f'pip install -U "torch>={MINIMUM["torch"]}" torchvision'
    # pip installs what an extra of an installed package lacks or has too
    # old. Other distributions that own the same folder must go first.
    remove = f'pip uninstall -y {" ".join(OWNERS[name])} && '
    return (remove if reinstall else '') + f'pip install "dept-mm[{stack}]"'


def _parse_version(version: str) -> tuple[int, ...]:
    """Parse ``'2.15.0+cpu'`` to ``(2, 15, 0)``, padded to three numbers."""
    numbers = re.findall(r'\d+', version.partition('+')[0])[:3]
    return tuple(int(n) for n in numbers) + (0, ) * (3 - len(numbers))
