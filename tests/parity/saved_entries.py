"""What public trainers save, kept in the reference files without numbers.

Each entry has its name, its shape and where its values come from: a parameter
of the frozen CLIP or a learned one, both of which follow from their names, or
the ids of sentences.
"""
import json
from collections.abc import Mapping

import numpy as np
import torch
from reference_clip import trainable_value
from torch import Tensor

SENTENCES = 'sentences'
TABLE = 'token_embedding.weight'


def describe_entries(state: Mapping[str, Tensor],
                     frozen: Mapping[str, Tensor],
                     learned: Mapping[str, Tensor], ids: Tensor | None = None
                     ) -> dict[str, np.ndarray]:
    """Find out where the values of entries come from.

    Args:
        state (Mapping[str, Tensor]): What the public code saves.
        frozen (Mapping[str, Tensor]): Weights of CLIP by OpenAI's names.
        learned (Mapping[str, Tensor]): Parameters by the public names.
        ids (Tensor, optional): ``(C, 77)``, the sentences of classes.
    """
    known, entries, found = {**frozen, **learned}, {}, {}
    for name, value in state.items():
        same = [key for key, own in known.items()
                if own.shape == value.shape and torch.equal(own, value)]
        if not same:
            same = [SENTENCES]
            found[f'ids/{name}'] = _find_ids(value, ids, frozen[TABLE])
        entries[name] = same[0], tuple(value.shape)
    return dict(found, saved=np.array(json.dumps(entries)))


def rebuild_entries(expected: Mapping[str, np.ndarray],
                    frozen: Mapping[str, Tensor], salt: str
                    ) -> dict[str, Tensor]:
    """Return the entries with their values.

    Args:
        expected (Mapping[str, np.ndarray]): A reference file.
        frozen (Mapping[str, Tensor]): Weights of CLIP by open_clip's names.
        salt (str): Of the learned values.
    """
    def value(name: str, source: str, shape: tuple) -> Tensor:
        if source != SENTENCES:
            own = frozen.get(source, frozen.get('text.' + source))
            return trainable_value(salt + source, shape) if own is None else (
                own)
        ids = torch.from_numpy(expected[f'ids/{name}'])
        return frozen['text.' + TABLE][ids] if len(shape) == 3 else ids

    return {name: value(name, *entry) for name, entry in
            json.loads(expected['saved'].item()).items()}


def _find_ids(value: Tensor, ids: Tensor, table: Tensor) -> np.ndarray:
    """Return the part of the ids that is saved, or whose embeddings are."""
    width = value.shape[1]
    for start in range(ids.shape[1] - width + 1):
        part = ids[:, start:start + width]
        if torch.equal(value, part if value.dim() == 2 else table[part]):
            return part.numpy().astype('int64')
    raise ValueError('an entry has values of unknown origin')
