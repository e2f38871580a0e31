"""A file of stored features: read as it was written, or refused."""
from pathlib import Path

import pytest
import torch

from dept_mm.engine.feature_store import Unusable, read, write

KEY = dict(images='abc', numbers=[1, 2.5])


@pytest.fixture
def features():
    return torch.randn(50, 16)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16,
                                   torch.bfloat16])
def test_what_is_written_is_read(tmp_path, features, dtype):
    path = tmp_path / 'a.safetensors'
    write(path, features.to(dtype), KEY)
    found = read(path, dict(reversed(KEY.items())))
    assert found.dtype == dtype and torch.equal(found, features.to(dtype))
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_mapped_not_loaded(tmp_path, features):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    found = read(path, KEY)
    maps = Path('/proc/self/maps')
    if not maps.exists():
        pytest.skip('needs /proc')
    assert str(path) in maps.read_text()
    assert found.is_cpu


def damage(path, how):
    data = path.read_bytes()
    if how == 'truncated':
        data = data[:-10]
    elif how == 'half':
        data = data[:len(data) // 2]
    elif how == 'empty':
        data = b''
    elif how == 'longer':
        data += b'0'
    else:
        at = dict(header=0, key=data.index(b'abc'), value=-1)[how]
        data = bytearray(data)
        data[at] ^= 1
    path.write_bytes(bytes(data))


DAMAGES = ['truncated', 'half', 'empty', 'longer', 'header', 'key', 'value']


@pytest.mark.parametrize('how', DAMAGES)
def test_damage_is_refused(tmp_path, features, how):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    damage(path, how)
    with pytest.raises(Unusable):
        read(path, KEY)


def test_another_key_is_refused(tmp_path, features):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    with pytest.raises(Unusable, match='other images'):
        read(path, dict(KEY, images='abd'))
    with pytest.raises(Unusable, match='absent'):
        read(tmp_path / 'b.safetensors', KEY)
