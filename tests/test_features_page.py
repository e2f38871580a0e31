"""The page on features: its commands run, one after another."""
import json
from pathlib import Path

import pytest
from pages import run_page

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / 'docs/features.md').read_text('utf-8')
FEW = {f'{name}_dataloader.num_workers': 0
       for name in ('train', 'val', 'test')}
FEW['train_dataloader.batch_size'] = 16


def complete(tool, args):
    """Without workers, in larger batches."""
    if tool.endswith(('train.py', 'extract_features.py')):
        if '--cfg-options' not in args:
            args.append('--cfg-options')
        place = args.index('--cfg-options') + 1
        args[place:place] = [f'{k}={v}' for k, v in FEW.items()]
    return args


def rows_of(work_dir):
    found = json.loads(Path(work_dir, 'result.json').read_text())['results']
    return {row: {half: counts['correct'] / counts['total']
                  for half, counts in found[row]['mine'].items()}
            for row in found}


@pytest.mark.slow
def test_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    run_page(PAGE, 'my_features.py', complete)
    # 32 classes, so chance is 3 %, and 6 % within a half.
    probe, adapter = rows_of('work_dirs/probe'), rows_of('work_dirs/adapter')
    assert list(probe) == ['tuned'] and probe['tuned']['base'] > .5
    assert adapter['zero-shot']['base'] > .4
    assert adapter['tuned']['base'] > adapter['zero-shot']['base'] + .05
    assert adapter['tuned']['new'] > .4
    assert Path('work_dirs/adapter/report.html').is_file()
