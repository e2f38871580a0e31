"""The tutorial: its commands run, one after another, as they are written."""
import csv
import json
import shutil
from pathlib import Path

import pytest
from pages import run_page

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/tutorial.md').read_text('utf-8')
FEW = ['--cfg-options', 'train_dataloader.num_workers=0',
       'val_dataloader.num_workers=0', 'test_dataloader.num_workers=0']


def complete(tool, args):
    """Without workers; without the page where there is no npm."""
    if tool == 'tools/demo.py' and not shutil.which('npm'):
        return None
    return [*args, *(FEW if tool == 'tools/train.py' else ())]


@pytest.mark.slow
def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    run_page(PAGE, 'my_photos.py', complete)
    printed = capsys.readouterr().out
    # 8 classes, so 12.5 % is chance.
    result = json.loads(Path('work_dirs/mine/result.json').read_text())
    tested = result['results']['tuned']['photos']['base']
    assert tested['correct'] / tested['total'] > .8
    assert result['selection']['split'] == 'val'
    with open('found.csv') as file:
        rows = list(csv.DictReader(file))
    right = sum(Path(row['image']).parent.name == row['class_1']
                for row in rows)
    assert len(rows) == 320 and right > 280
    # The two that were added by their names are found.
    for name in ('hollow cyan heart', 'striped blue diamond'):
        assert f'others/{name}/0000.png {name} ' in printed
    assert Path('work_dirs/mine/report.html').is_file()
    assert Path('exported/model.onnx').is_file()
    assert list(Path().glob('mine_*.safetensors'))
