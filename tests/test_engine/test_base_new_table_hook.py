"""The table at the end of a run."""
import json

import pytest
from mmengine.runner import Runner


def test_zero_shot_then_tuned(small_run, tmp_path):
    cfg = small_run()
    runner = Runner.from_cfg(cfg)
    runner.train()
    log, = (path.read_text() for path in tmp_path.glob('*/*.log'))
    rows = json.loads((tmp_path / 'base_new.json').read_text())
    assert list(rows) == ['zero-shot', 'tuned']
    # Zero-shot is what the same CLIP gives through a config of its own.
    cfg = small_run(**{'model.backbone.prompt': None})
    cfg.model.head = dict(type='CLIPHead')
    assert rows['zero-shot'] == pytest.approx(Runner.from_cfg(cfg).test())
    hub = runner.message_hub.log_scalars
    for key, value in rows['tuned'].items():
        assert value == hub[f'val/{key}'].current()
    table = log[log.index('Top-1 accuracy'):].splitlines()
    assert table[1].split() == ['base', 'new', 'H']
    assert table[3].split()[0] == 'tuned'
    assert float(table[3].split()[1]) == pytest.approx(
        rows['tuned']['base_new/base'], abs=.0051)


def test_without_zero_shot(small_run, tmp_path):
    cfg = small_run(**{'custom_hooks.0.zero_shot': False})
    Runner.from_cfg(cfg).train()
    rows = json.loads((tmp_path / 'base_new.json').read_text())
    assert list(rows) == ['tuned']
