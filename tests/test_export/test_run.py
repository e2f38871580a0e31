"""Files that compute something else, and the command line."""
import json
import shutil

import numpy as np
import pytest
import torch
from run_tool import run_tool

import dept_mm
from dept_mm.errors import DeptError
from dept_mm.export.run import check_same
from dept_mm.export.write import require


def test_what_differs_is_refused():
    logits = torch.tensor([[1., 30, -torch.inf]])
    found = logits.numpy() + np.float32([[0, .002, 0]])
    assert 0 < check_same('x', dict(a=logits), dict(a=found)) < .003
    for wrong in (found + .002, found[:, :2], found * np.nan,
                  np.zeros((1, 3), np.float32)):
        with pytest.raises(DeptError, match='x is wrong: its a differ'):
            check_same('x', dict(a=logits), dict(a=wrong))


def test_a_library_that_is_missing():
    with pytest.raises(DeptError, match='pip install not_there'):
        require('not_there.part')


def test_an_exporter_that_stops_names_the_part(pair_configs, tune, tmp_path,
                                               monkeypatch):
    from dept_mm.export import export_model
    model = tune(pair_configs['CLIPAdapter', 'DePTHead'])
    monkeypatch.setattr(type(model.module.neck), 'forward', lambda *_: 1 / 0)
    monkeypatch.setattr(type(model), 'pixels', lambda *_: torch.zeros(
        4, 3, 32, 32))
    with pytest.raises(DeptError, match='CLIPAdapter cannot be exported to '
                                        'onnx: ZeroDivisionError'):
        export_model(model, tmp_path)


@pytest.fixture
def work_dir(small_run, tmp_path):
    """What a run leaves, but not trained."""
    cfg = small_run(**{'test_dataloader.dataset.indices': 40})
    module = dept_mm.build(cfg)
    folder = tmp_path / 'run'
    folder.mkdir()
    cfg.dump(folder / 'quickstart.py')
    torch.save(dict(state_dict=module.state_dict(), meta={}),
               folder / 'epoch_1.pth')
    return folder


def test_the_tool_measures_what_int8_costs(work_dir, tmp_path):
    out = tmp_path / 'out'
    found = run_tool('export.py', work_dir / 'epoch_1.pth', out, '--int8',
                     '--with-preprocessing')
    assert found.returncode == 0, found.stderr
    text = found.stdout
    assert 'model.onnx' in text and 'differs from PyTorch by' in text
    assert 'Top-1 on 40 test images' in text
    line, = (x for x in text.splitlines() if x.startswith('  model.onnx'))
    assert 'same class as PyTorch on 40' in line
    about = json.loads((out / 'model.json').read_text())
    assert about['input'] == 'images' and len(about['classes']) == 32
    assert about['source']['name'] == 'epoch_1.pth'
    assert len(about['source']['sha256']) == 64
    # What is there already is not counted.
    found = run_tool('export.py', work_dir / 'epoch_1.pth', out,
                     '--format', 'torchscript')
    assert found.returncode == 0 and 'model.pt' in found.stdout
    assert 'onnx' not in found.stdout and 'Warning' not in found.stderr
    shutil.rmtree(out)
    found = run_tool('export.py', 'nowhere.safetensors', out)
    assert found.returncode == 1 and 'error: nowhere' in found.stderr
    assert not out.exists()


def test_the_benchmark_times_each_file(work_dir):
    found = run_tool('benchmarks/export.py', work_dir / 'epoch_1.pth',
                     '--count', '1')
    assert found.returncode == 0, found.stderr
    assert [line.split()[0] for line in found.stdout.splitlines()] == [
        'PyTorch', 'model.onnx', 'model.int8.onnx', 'model.pt']
