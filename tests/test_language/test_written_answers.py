"""A run whose answers are texts: trained, selected, tested, and tabulated."""
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

pytest.importorskip('transformers')
from language_models import save

from dept_mm.evaluation import find_results, list_metrics, read_result
from dept_mm.reports.summary import build_table, group_results

RUNTIME = Path(__file__).parents[2] / 'configs/_base_/language/runtime.py'


def test_a_run(tmp_path):
    """Both measures reach the result; its counts are exact matches."""
    save('t5', tmp_path / 'lm')
    for part, count in (('train', 6), ('dev', 5)):
        (tmp_path / part).mkdir()
        (tmp_path / f'{part}/a.jsonl').write_text(''.join(json.dumps(dict(
            context='the film was boring', qas=[dict(
                question='was it good', answers=['no', 'bad'])])) + '\n'
            for _ in range(count)))
    dataset = dict(type='TextDataset', data_root=str(tmp_path), task=dict(
        base='newsqa', files=dict(train='train/a.jsonl', val='dev/a.jsonl')))
    test = dict(batch_size=3, num_workers=0, sampler=dict(
        type='DefaultSampler', shuffle=False), dataset=dict(
            dataset, split='val', test_mode=True))
    cfg = Config.fromfile(RUNTIME)
    cfg.merge_from_dict(dict(
        work_dir=str(tmp_path / 'run'),
        dataset=dict(dataset, name='newsqa'),
        model=dict(
            type='PromptedLanguageModel', lm=dict(name=str(tmp_path / 'lm')),
            prompts=[dict(type='SoftPrompt', num_tokens=2)], max_length=20,
            head=dict(type='Seq2SeqHead', task=dataset, max_new_tokens=4)),
        train_dataloader=dict(
            batch_size=3, num_workers=0, dataset=dataset,
            sampler=dict(type='DefaultSampler', shuffle=True)),
        val_dataloader=test, test_dataloader=test,
        val_cfg=dict(), test_cfg=dict(),
        val_evaluator=dict(type='LanguageMetric'),
        test_evaluator=dict(type='LanguageMetric'),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=.1)),
        custom_hooks=[dict(type='LanguageResultHook')],
        default_hooks=dict(checkpoint=dict(save_best='auto', rule='greater'))))
    Runner.from_cfg(cfg).train()
    tuned, = read_result(tmp_path / 'run')['results']['tuned'].values()
    assert tuned['base']['total'] == 5
    found = list_metrics(tuned)
    assert found['squad_em'] == 100 * tuned['base']['correct'] / 5
    assert found['squad_f1'] >= found['squad_em']
    (key, methods), = group_results(find_results([tmp_path / 'run'])).items()
    assert list(build_table(*key, methods).metrics) == [
        'squad_em', 'squad_f1']
