"""A sweep's folder becomes a zoo, whose names are then known."""
import json
import shutil
import subprocess
from pathlib import Path

import make_release
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain import get_model
from mmpretrain.apis import ModelHub
from run_tool import run_tool

import dept_mm
from dept_mm.errors import DeptError
from dept_mm.exchange.release import _name_metrics


@pytest.fixture
def sweep(small_run, tmp_path):
    """Two seeds of one tiny run, whose checkpoints a selection has chosen,
    and a run that was interrupted."""
    first, second, third = (tmp_path / f'sweep/{i}' for i in range(3))
    runner = Runner.from_cfg(small_run(work_dir=str(first)))
    runner.train()
    shutil.copytree(first, second)
    shutil.copytree(first, third)
    (third / 'result.json').unlink()
    for folder, seed in ((first, 1), (second, 7)):
        found = json.loads((folder / 'result.json').read_text())
        (folder / 'result.json').write_text(json.dumps(dict(
            found, seed=seed, fingerprint=str(seed),
            selection=dict(split='val', checkpoint='best.pth'))))
        (folder / 'epoch_1.pth').rename(folder / 'best.pth')
    return first.parent, runner.model


def test_from_a_sweep_to_a_model_by_name(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(ModelHub, '_models_dict', dict(ModelHub._models_dict))
    folder, model = sweep
    out = tmp_path / 'zoo'
    done = run_tool('make_release.py', folder, out)
    assert not done.returncode, done.stderr
    assert done.stdout.splitlines() == [
        f'2 models -> {out}', f'left out, not finished: {folder / "2"}']
    names = [f'dept_quickstart_seed{seed}' for seed in (1, 7)]
    assert {path.name for path in out.iterdir()} == {
        'README.md', 'SHA256SUMS', 'metafile.yml', *(
            name + end for name in names
            for end in ('.json', '.result.json', '.safetensors'))}
    subprocess.run(['sha256sum', '--quiet', '-c', 'SHA256SUMS'], cwd=out,
                   check=True)
    assert str(tmp_path) not in (out / f'{names[0]}.json').read_text().replace(
        model.backbone.clip.name, '')
    page = (out / 'README.md').read_text()
    assert all(f'| `{name}` | ' in page for name in names)
    assert '| dept/quickstart, epoch chosen on val | ' in page and '±' in page
    dept_mm.register_zoo(out)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(get_model(names[1], pretrained=True)(images),
                           model.eval()(images))
    done = run_tool('make_release.py', folder, out)
    assert done.returncode == 1 and 'zoo is not empty' in done.stderr
    done = run_tool('make_release.py', folder / '2', tmp_path / 'new')
    assert done.returncode == 1 and 'No result.json' in done.stderr


@pytest.mark.parametrize('config, name', [
    ('dept/quickstart-vpt', 'dept_quickstart-vpt'),
    ('dept/dept-coop_vit-base-p16_16shot_caltech101-b2n',
     'dept-coop_vit-base-p16_4shot_my-birds-fewshot'),
    ('coop/coop_vit-base-p16_200e-16shot_caltech101-b2n',
     'coop_vit-base-p16_200e-4shot_my-birds-fewshot'),
    (None, 'a-folder')])
def test_names_say_what_was_used(config, name):
    found = dict(config=config, dataset='My birds', protocol='fewshot',
                 shots=4, seed=1)
    path = Path('A folder/result.json')
    assert make_release.name_runs({path: found}) == {path: name}
    with pytest.raises(DeptError, match=f'2 runs .* name {name}_seed1'):
        make_release.name_runs({path: found, path.with_name('c'): found})


def test_names_of_metrics():
    assert _name_metrics(dict(base=90.126)) == {'Top 1 Accuracy': 90.13}
    assert _name_metrics(dict(base=60., new=30.)) == dict(
        Base=60., New=30., H=40.)
