"""Make the models of this package known to MMPretrain by name."""
from collections.abc import Iterable
from pathlib import Path

from mmpretrain.apis import ModelHub
from modelindex.load_model_index import load

PACKAGE = Path(__file__).resolve().parent
# A wheel carries the index inside the package, a checkout beside it.
CANDIDATES = (PACKAGE / '.mim' / 'model-index.yml',
              PACKAGE.parent / 'model-index.yml')


def register_model_index(candidates: Iterable[Path] = CANDIDATES) -> None:
    """Register our metafiles, so that ``get_model`` finds them by name.

    A second call does nothing: MMPretrain refuses a name registered twice.

    Args:
        candidates (Iterable[Path]): Possible index files; the first one that
            exists is used. None of them existing is no fault.
    """
    index = next((path for path in candidates if path.is_file()), None)
    if index is None:
        return
    models = load(str(index))
    models.build_models_with_collections()
    if not all(ModelHub.has(model.name.lower()) for model in models.models):
        ModelHub.register_model_index(index, config_prefix=index.parent)
