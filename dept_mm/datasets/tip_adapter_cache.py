"""Features in the files of Tip-Adapter's code."""
from __future__ import annotations

import os.path as osp

from mmpretrain.datasets.base_dataset import expanduser

from dept_mm.registry import DATASETS

from .features import FeatureDataset


@DATASETS.register_module()
class TipAdapterCache(FeatureDataset):
    """A folder of features that Tip-Adapter's code wrote, or code after it.

    ``keys_16shots.pt`` ``(D, N)`` and ``values_16shots.pt`` ``(N, C)`` are
    the training images, already drawn; ``val_f.pt``, ``val_l.pt``,
    ``test_f.pt`` and ``test_l.pt`` the others, of which those of ``val`` may
    be missing. All features have unit length; see ``length``. Class texts
    are ``(D, C)``, such as APE's ``text_weights_cupl_t.pt``. The code is
    that of gaopengcuhk/Tip-Adapter (``utils.py``) and yangyangyang127/APE
    (``extract_features.py``).

    Args:
        shots (int): The number of shots in the names. Defaults to 16.
        **kwargs: See :class:`FeatureDataset`: ``classes`` are needed.

    Examples:
        >>> dataset = dict(
        ...     type='TipAdapterCache', data_root='caches/dtd', name='dtd',
        ...     classes='dtd.txt', text='text_weights_cupl_t.pt', length=10.)
    """
    transposed = ('train', 'text')

    def __init__(self, *, shots: int = 16, data_root: str = '', **kwargs
                 ) -> None:
        splits = ['val', 'test']
        if not osp.isfile(osp.join(expanduser(data_root), 'val_f.pt')):
            splits.remove('val')
        super().__init__(
            features=dict({s: f'{s}_f.pt' for s in splits},
                          train=f'keys_{shots}shots.pt'),
            labels=dict({s: f'{s}_l.pt' for s in splits},
                        train=f'values_{shots}shots.pt'),
            data_root=data_root, **kwargs)
