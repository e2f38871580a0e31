"""Find the runtime of the web page: onnxruntime-web, from npm."""
from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from dept_mm.errors import DeptError

PACKAGE = 'onnxruntime-web@1.22.0'
FILE = 'onnxruntime-web-1.22.0.tgz'
# The checksum of the package, as npm writes it into its lock files.
SHA512 = ('Ud/+EBo6mhuaQWt/OjaOk0iNWjXqJoeeMFr6xQEERZdIZH2OWpGzuujz7lfuOBjUa6'
          'TEE/sc4nb7Da5dNL34fg==')
SCRIPTS = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs')
BINARY = 'ort-wasm-simd-threaded.wasm'


def read_runtime(package: str | Path | None = None) -> dict[str, bytes]:
    """Read the scripts and the binary of onnxruntime-web.

    Args:
        package (str | Path, optional): The package as a file. By default it
            is downloaded by ``npm`` and kept in the user's cache folder.

    Returns:
        dict[str, bytes]: Content by the names in ``SCRIPTS`` and ``BINARY``.

    Raises:
        DeptError: If there is no npm, it fails, or the file is another one.
    """
    path = Path(package) if package else _cache() / FILE
    if package is None and not path.is_file():
        _download(path)
    try:
        found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest())
    except OSError as error:
        raise DeptError(f'The runtime cannot be read: {error}.') from error
    if found.decode() != SHA512:
        raise DeptError(f'{path} is not {PACKAGE}: its checksum is another '
                        'one. Remove it, or give the right file: --runtime '
                        f'{FILE}.')
    with tarfile.open(path) as archive:
        return {name: archive.extractfile(f'package/dist/{name}').read()
                for name in (*SCRIPTS, BINARY)}


def _cache() -> Path:
    root = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(root).expanduser() / 'dept_mm'


def _download(path: Path) -> None:
    """Download the package; it is there in whole or not at all."""
    advice = (f'Get it elsewhere by `npm pack {PACKAGE}` and give the file: '
              f'--runtime {FILE}.')
    npm = shutil.which('npm')
    if npm is None:
        raise DeptError(f'The page needs {PACKAGE}, which npm downloads, and '
                        f'there is no npm here. {advice}')
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        done = subprocess.run([npm, 'pack', PACKAGE], cwd=folder, text=True,
                              capture_output=True)
        if done.returncode:
            raise DeptError(f'npm cannot download {PACKAGE}: '
                            f'{done.stderr.strip()[-500:]} {advice}')
        os.replace(Path(folder, FILE), path)
