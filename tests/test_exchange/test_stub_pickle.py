"""Foreign objects are read around, never run."""
import os
import pickle
from collections import defaultdict

import pytest
import torch
from torch.serialization import get_safe_globals

from dept_mm.errors import DeptError
from dept_mm.exchange.stub_pickle import read_pickled


class Note:
    """Leaves a trace when it is made, called or restored."""
    ran = []

    def __init__(self):
        self.a = 1

    def __setstate__(self, state):
        Note.ran.append(state)


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def note(*args):
    Note.ran.append(args)


@pytest.mark.parametrize('legacy', [False, True])
def test_reads_around_foreign_objects(tmp_path, legacy):
    path, before = tmp_path / 'x.pth', set(get_safe_globals())
    weight = torch.arange(6.).view(2, 3)
    counts = defaultdict(int, a=1)
    torch.save(dict(weight=weight, note=Note(), call=Call(note, 1),
                    counts=counts), path,
               _use_new_zipfile_serialization=not legacy)
    found, stubs = read_pickled(path)
    assert torch.equal(found['weight'], weight)
    assert [name.rpartition('.')[2] for name in stubs if 'test_stub' in name
            ] == ['Note', 'note']
    assert 'collections.defaultdict' in stubs
    assert not Note.ran
    assert set(get_safe_globals()) == before


@pytest.mark.parametrize('function, args', [
    (os.mkdir, ('harm', )), (exec, ("open('harm', 'w')", )),
    (eval, ("open('harm', 'w')", )), (open, ('harm', 'w')),
    (getattr, (os, 'mkdir'))])
def test_runs_nothing(tmp_path, monkeypatch, function, args):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'x.pth'
    if function is getattr:
        args = Call(__import__, 'os'), 'mkdir'
    torch.save(dict(a=Call(function, *args)), path)
    try:
        read_pickled(path)
    except DeptError:
        pass
    assert not (tmp_path / 'harm').exists()


@pytest.mark.parametrize('content, culprit', [
    (b'', 'cannot be read safely'), (b'no pickle', 'cannot be read safely'),
    (pickle.dumps([1]), 'cannot be read safely'), ([1], 'holds a list'),
    (dict(a=Call(os.system, 'true')), 'cannot be read safely.*posix')])
def test_refuses_what_is_no_checkpoint(tmp_path, content, culprit):
    path = tmp_path / 'x.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(DeptError, match=culprit):
        read_pickled(path)
