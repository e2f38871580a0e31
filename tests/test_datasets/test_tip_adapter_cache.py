"""Files as the code of Tip-Adapter writes them."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.datasets import TipAdapterCache

PACK = [dict(type='PackInputs')]
NAMES = ['ant', 'bee', 'cat']


@pytest.fixture
def cache(tmp_path):
    """What `utils.py` of its repository does with these features."""
    features, labels = torch.randn(6, 4).half(), torch.arange(6) % 3
    keys = F.normalize(features, dim=-1).permute(1, 0)
    torch.save(keys, tmp_path / 'keys_2shots.pt')
    torch.save(F.one_hot(labels).half(), tmp_path / 'values_2shots.pt')
    for split in ('val', 'test'):
        torch.save(F.normalize(features + 1, dim=-1),
                   tmp_path / f'{split}_f.pt')
        torch.save(labels, tmp_path / f'{split}_l.pt')
    torch.save(keys[:, :3], tmp_path / 'text_weights_cupl_t.pt')
    return tmp_path, features.float()


def test_features_labels_and_texts(cache):
    folder, features = cache
    options = dict(shots=2, data_root=str(folder), classes=NAMES,
                   text='text_weights_cupl_t.pt', pipeline=PACK)
    train = TipAdapterCache(**options)
    assert train.get_gt_labels().tolist() == [0, 1, 2, 0, 1, 2]
    torch.testing.assert_close(
        torch.stack([s['inputs'].feature for s in train]),
        F.normalize(features, dim=-1), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        train.text_features(), F.normalize(features[:3], dim=-1), atol=2e-3,
        rtol=0)
    for split in ('val', 'test'):
        found = TipAdapterCache(split=split, length=10., **options)
        torch.testing.assert_close(
            found[4]['inputs'].feature,
            10 * F.normalize(features[4] + 1, dim=-1), atol=2e-2, rtol=0)
    (folder / 'val_f.pt').unlink()
    assert len(TipAdapterCache(split='test', **options)) == 6
