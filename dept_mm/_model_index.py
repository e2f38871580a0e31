"""Registration of this package's models in MMPretrain's model index."""
from collections.abc import Iterable
from pathlib import Path

from mmpretrain.apis import ModelHub
from modelindex.load_model_index import load

PACKAGE = Path(__file__).resolve().parent
# The index is inside the package in a wheel, and beside it in a checkout.
CANDIDATES = (PACKAGE / '.mim' / 'model-index.yml',
              PACKAGE.parent / 'model-index.yml')


def register_model_index(candidates: Iterable[Path] = CANDIDATES) -> None:
    """Register our models, so that ``get_model`` finds them by name.

    A second call does nothing, since MMPretrain refuses a name that is
    registered twice.

    Args:
        candidates (Iterable[Path]): Possible index files, of which the first
            that exists is used. It is not an error if none exists.
    """
    index = next((path for path in candidates if path.is_file()), None)
    if index is None:
        return
    models = load(str(index))
    models.build_models_with_collections()
    if not all(ModelHub.has(model.name.lower()) for model in models.models):
        ModelHub.register_model_index(index, config_prefix=index.parent)
