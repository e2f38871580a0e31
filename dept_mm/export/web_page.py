"""Write a tuned model as a web page that needs no server of its own."""
from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.export.export import export_model
from dept_mm.export.web_runtime import BINARY, SCRIPTS, read_runtime

WEB = Path(__file__).parent / 'web'


def write_page(model: TunedModel, folder: str | Path,
               source: str | Path | None = None,
               runtime: str | Path | None = None) -> Path:
    """Write a folder that is a web page: it classifies photos in the browser.

    Any server of files shows it, such as ``python -m http.server``. Large
    files are compressed by gzip; the page unpacks them.

    Args:
        model (TunedModel): It stays as it is.
        folder (str | Path): Is made; what is in it may be replaced.
        source (str | Path, optional): See ``export_model``.
        runtime (str | Path, optional): The file of onnxruntime-web, see
            ``read_runtime``.

    Returns:
        Path: ``index.html`` of the page.

    Raises:
        DeptError: If the model cannot be exported with an open vocabulary, or
            the runtime is missing.
    """
    folder = Path(folder)
    if folder.is_file():
        raise DeptError(f'{folder} is a file; give the name of a folder.')
    files = read_runtime(runtime)
    with TemporaryDirectory() as place:
        export_model(model, place, with_preprocessing=True,
                     open_vocabulary=True, source=source)
        (folder / 'runtime').mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(place, 'model.json'), folder)
        for name in ('model.onnx', 'text.onnx', 'merges.txt'):
            _compress(Path(place, name).read_bytes(), folder / f'{name}.gz')
    for name in SCRIPTS:
        (folder / 'runtime' / name).write_bytes(files[name])
    _compress(files[BINARY], folder / 'runtime' / 'ort.wasm.gz')
    for path in WEB.iterdir():
        shutil.copy(path, folder)
    return folder / 'index.html'


def _compress(data: bytes, path: Path) -> None:
    """Compress, so that equal data give equal files."""
    path.write_bytes(gzip.compress(data, mtime=0))
