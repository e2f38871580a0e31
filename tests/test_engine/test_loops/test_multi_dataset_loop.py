"""One model on several data sets in one evaluation."""
from statistics import mean

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.loops import each_dataset
from dept_mm.errors import DeptError
from dept_mm.evaluation import accuracy, read_result

# The same data set in another style, and as somebody else would describe it.
OTHERS = dict(
    clean=dict(type='DrawnShapes', style='clean', indices=40),
    few=dict(type='DrawnShapes', indices=24, template='the {}.',
             base_classes='all', namespace='few'))


@pytest.fixture
def several(small_run):
    def make(**options):
        return small_run(**{
            'val_cfg.type': 'MultiDatasetValLoop',
            'test_cfg.type': 'MultiDatasetTestLoop',
            'val_cfg.datasets': OTHERS, 'test_cfg.datasets': OTHERS,
            **options})
    return make


def alone(small_run, name):
    """The results of a run of its own."""
    cfg = small_run()
    cfg.test_dataloader.dataset.update(OTHERS[name])
    return Runner.from_cfg(cfg).test()


def test_results_are_those_of_single_runs(several, small_run):
    runner = Runner.from_cfg(several())
    found = runner.test()
    expected = Runner.from_cfg(small_run()).test()
    for name in OTHERS:
        expected.update({f'{name}/{k}': v
                         for k, v in alone(small_run, name).items()})
    assert found == pytest.approx(expected)
    assert found['base_new/base_total'] == 64
    assert found['clean/base_new/base_total'] == 40
    assert len(runner.test_dataloader.dataset) == 64


class Count(Hook):
    """Asks for all data sets while one is evaluated."""

    def after_test_iter(self, runner, batch_idx, data_batch=None,
                        outputs=None):
        assert [len(runner.test_loop.dataloader.dataset)
                for _ in each_dataset(runner.test_loop)] == [64, 40, 24]


def test_a_hook_may_ask_for_all_data_sets(several):
    """Each sample still counts for its own data set."""
    runner = Runner.from_cfg(several(**{'test_dataloader.batch_size': 16}))
    runner.register_hook(Count())
    found = runner.test()
    assert [found[f'{name}base_new/base_total']
            for name in ('', 'clean/', 'few/')] == [64, 40, 24]


class Record(Hook):
    """What a hook gets to see."""

    def __init__(self):
        self.seen = []

    def before_val_epoch(self, runner):
        self.seen.append('start')

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 0:
            backbone = runner.model.backbone
            assert backbone.vocabulary.templates == tuple(
                [runner.val_dataloader.dataset.metainfo['template']])
            self.seen.append(len(runner.val_dataloader.dataset))

    def after_val_epoch(self, runner, metrics=None):
        self.seen.append(runner.model.backbone.vocabulary.templates)


def test_for_hooks_it_is_one_epoch(several, tmp_path):
    hook = Record()
    cfg = several()
    cfg.default_hooks.checkpoint.update(save_best='base_new/base',
                                        rule='greater')
    runner = Runner.from_cfg(cfg)
    runner.register_hook(hook, priority='LOWEST')
    runner.train()
    assert hook.seen == ['start', 64, 40, 24, ('a photo of a {}.', )]
    assert list(tmp_path.glob('best_*.pth'))


def test_rows_and_average(several, tmp_path):
    Runner.from_cfg(several()).train()
    rows = read_result(tmp_path)['results']
    for row in rows.values():
        assert list(row) == ['shapes', 'clean', 'few']
        assert [counts['base']['total'] for counts in row.values()] == [
            64, 40, 24]
        # Classes are told apart by identity.
        assert 'few/plain yellow moon' in row['few']['base']['classes']
    log, = (path.read_text() for path in tmp_path.glob('*/*.log'))
    table = log[log.index('Top-1 accuracy'):].splitlines()[1:10]
    assert [line.split()[:-3] for line in table[1:9]] == [
        ['zero-shot'], ['tuned'], ['clean', 'zero-shot'], ['clean', 'tuned'],
        ['few', 'zero-shot'], ['few', 'tuned'], ['average', 'zero-shot'],
        ['average', 'tuned']]
    assert table[0].split() == ['base', 'new', 'H']
    clean, few = (accuracy(rows['tuned'][name]['base'])
                  for name in OTHERS)
    assert float(table[6].split()[2]) == pytest.approx(few, abs=.0051)
    assert float(table[8].split()[2]) == pytest.approx(mean([clean, few]),
                                                       abs=.0051)


def test_configs_are_needed(several):
    runner = Runner.from_cfg(several())
    cfg = dict(runner.cfg.val_cfg, runner=runner,
               evaluator=runner.cfg.val_evaluator,
               dataloader=runner.build_dataloader(runner.cfg.val_dataloader))
    from dept_mm.registry import LOOPS
    with pytest.raises(DeptError, match='needs configs of'):
        LOOPS.build(cfg)
