"""Check the host libraries before anything of this package needs them.

OpenMMLab's stack and the maintained onedl forks share their import names.
Both are fine, so what counts is what can be imported; distribution names are
read only to find two of them installed over each other and to word advice.
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
# The first transformers that mmpretrain's multimodal models break on, which
# it imports wherever pycocotools is installed as well.
TOO_NEW = dict(openmmlab='4.52', onedl='5')


def check_host() -> None:
    """Import the host libraries and check what was found.

    Raises:
        ImportError: If a library is missing, too old, broken, or installed
            over another one. The message ends with the command that mends it.
    """
    installed = installed_owners()
    if fault := overlap_fault(installed):
        raise ImportError(fault)
    stack = stack_of(installed)
    # mmcv-lite advises to install mmcv for an operator that nothing here has.
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeform')
    for name in ('torch', 'mmengine', 'mmcv', 'mmcv.transforms', 'mmpretrain',
                 'mmpretrain.utils.dependency', 'mmpretrain.models'):
        module = import_host(name, stack)
        if hasattr(module, 'WITH_MULTIMODAL'):
            leave_out_multimodal(module, stack)
        version = getattr(module, '__version__', None)
        if fault := version_fault(name, version, stack):
            raise ImportError(fault)


def leave_out_multimodal(dependency: ModuleType, stack: str) -> None:
    """Keep mmpretrain from importing what breaks all of it.

    Nothing here needs its multimodal models, and language models need
    transformers. Where they work, they stay.

    Args:
        dependency (ModuleType): ``mmpretrain.utils.dependency``.
        stack (str): Of :func:`stack_of`.
    """
    try:
        found = distribution('transformers').version
    except PackageNotFoundError:
        return
    if dependency.WITH_MULTIMODAL and (
            _numbers(found) >= _numbers(TOO_NEW[stack])):
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
    """Name the extra whose stack these distributions belong to."""
    return 'onedl' if any('onedl-' in name for name in names) else 'openmmlab'


def overlap_fault(installed: Mapping[str, str]) -> str | None:
    """Describe distributions that overwrite each other's files, if any."""
    clashes = []  # in one folder; of two folders the first on the path wins
    for names in OWNERS.values():
        folders = [installed.get(name) for name in names]
        clashes += [name for name in names if name in installed
                    and folders.count(installed[name]) > 1]
    if not clashes:
        return None
    stack = stack_of(clashes)
    # mmcv-lite requires `mmengine`, which would come back over the fork.
    remove = clashes if stack == 'openmmlab' else installed
    return (f'{", ".join(clashes)} are installed over each other, although '
            'they provide the same modules. Keep one stack: pip uninstall -y '
            f'{" ".join(remove)} && pip install "dept-mm[{stack}]"')


def version_fault(name: str, version: str | None, stack: str) -> str | None:
    """Describe a library older than ``MINIMUM``, if it is."""
    minimum = MINIMUM.get(name)
    if minimum is None or (version and _numbers(version) >= _numbers(minimum)):
        return None
    return (f'dept_mm needs {name}>={minimum}, found {version}: '
            f'{repair(name, stack, reinstall=name == "mmcv")}')


def import_host(name: str, stack: str,
                importer: Callable = importlib.import_module) -> ModuleType:
    """Import one host library; whatever goes wrong is one ImportError."""
    root = name.partition('.')[0]
    try:
        return importer(name)
    except Exception as error:  # mmpretrain asserts, others raise TypeError
        what = f'cannot be imported ({type(error).__name__}: {error})'
        mend = repair(root, stack, reinstall=True)
        if getattr(error, 'name', None) == name == root:
            what, mend = 'is not installed', repair(root, stack)
        elif isinstance(error, AssertionError):  # mmpretrain's version check
            is_mmcv = 'mmcv' in str(error).lower()
            mend = repair('mmcv' if is_mmcv else 'mmengine', stack, True)
        elif root == 'mmpretrain' and 'transformers' in sys.modules:
            # Its multimodal models break on many transformers releases.
            # Nothing here needs them; without pycocotools they are left out.
            mend = 'pip uninstall -y pycocotools'
        message = f'dept_mm needs {name}, which {what}: {mend}'
        raise ImportError(message) from error


def repair(name: str, stack: str, reinstall: bool = False) -> str:
    """Word the command that mends one library."""
    if name == 'torch':
        return f'pip install -U "torch>={MINIMUM["torch"]}" torchvision'
    # pip brings what is missing or too old in an extra of an installed
    # package. Another owner of the same folder has to go first.
    remove = f'pip uninstall -y {" ".join(OWNERS[name])} && '
    return (remove if reinstall else '') + f'pip install "dept-mm[{stack}]"'


def _numbers(version: str) -> tuple[int, ...]:
    """``'2.15.0+cpu'`` -> ``(2, 15, 0)``, padded so that 1.2 is 1.2.0."""
    numbers = re.findall(r'\d+', version.partition('+')[0])[:3]
    return tuple(int(n) for n in numbers) + (0, ) * (3 - len(numbers))
