"""The table and the commands at the end of a training."""
import os

from dept_mm.cli.ending import (
    choose_inputs,
    describe_selection,
    format_result,
    list_commands,
)


def half(correct, total=10):
    return dict(correct=correct, total=total)


def test_table():
    """H of 60 and 40 is 48, of 80 and 40 it is 53.33."""
    rows = {'zero-shot': dict(shapes=dict(base=half(6), new=half(4))),
            'tuned': dict(shapes=dict(base=half(8), new=half(4)))}
    assert format_result(dict(results=rows)).splitlines() == [
        '               base     new       H',
        'zero-shot     60.00   40.00   48.00',
        'tuned         80.00   40.00   53.33',
        'change       +20.00   +0.00   +5.33']


def test_all_classes_are_base():
    found = format_result(dict(results=dict(tuned=dict(
        shapes=dict(base=half(7))))))
    assert found.split() == ['all', 'tuned', '70.00']


def test_several_data_sets():
    """A half that a data set does not have is a dash."""
    rows = dict(tuned=dict(one=dict(base=half(8), new=half(4)),
                           two=dict(base=half(5))))
    assert [line.split() for line in format_result(
        dict(results=rows)).splitlines()] == [
            ['base', 'new', 'H'], ['one', 'tuned', '80.00', '40.00', '53.33'],
            ['two', 'tuned', '50.00', '-', '-']]


def test_metrics_of_a_task():
    found = format_result(dict(results=dict(tuned=dict(
        trec=dict(base=half(7), metrics=dict(matthews=50., f1=61.5))))))
    assert found.split() == ['matthews', 'f1', 'tuned', '50.00', '61.50']


def test_nothing_was_measured():
    assert format_result(dict(results={})) == ''


def test_what_chose():
    chosen = dict(split='val', metric='base_new/base', score=84.375, epoch=3,
                  checkpoint='best.pth')
    assert describe_selection(dict(selection=chosen)) == (
        "epoch 3, chosen on split 'val' (base_new/base 84.38)")
    assert describe_selection({}) == ''


def test_commands(tmp_path, monkeypatch):
    """Paths are those of files that are there, written from here."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / 'my runs/a'
    run.mkdir(parents=True)
    (tmp_path / 'elsewhere').mkdir()
    found = list(list_commands(run, tmp_path / 'tools', 'mine'))
    assert found == ["python tools/predict.py 'my runs/a' photo.png",
                     "python tools/report.py 'my runs/a'"]
    (run / 'epoch_3.pth').touch()
    *_, publish = list_commands(run, tmp_path / 'tools', 'mine')
    assert publish == ("python tools/publish_model.py 'my runs/a' "
                       "'my runs/a/mine.safetensors'")
    os.chdir('elsewhere')
    first, *_ = list_commands(run, tmp_path / 'tools', 'mine')
    assert first.startswith(f'python {tmp_path}/tools/predict.py')
    assert not list(list_commands(
        tmp_path / 'elsewhere', tmp_path / 'tools', 'mine', (), False))


def test_inputs():
    """Only tools that take a model of this kind are named."""
    image = dict(backbone=dict(type='PromptedCLIP'))
    assert choose_inputs(image | dict(head=dict(type='CLIPHead'))) == [
        'photo.png']
    assert choose_inputs(image) == ['photo.png']
    assert choose_inputs(image | dict(
        head=dict(type='MultiLabelCLIPHead'))) == []
    assert choose_inputs(dict(lm=dict(name='t5-base'))) == [
        '--files', 'texts.csv']
