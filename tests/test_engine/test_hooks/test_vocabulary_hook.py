"""Model and data set speak of the same classes."""
from types import SimpleNamespace

import pytest

from dept_mm.engine.hooks import VocabularyHook
from dept_mm.models import PromptedCLIP
from dept_mm.structures import Vocabulary


def loader(**meta):
    return SimpleNamespace(dataset=SimpleNamespace(metainfo=meta))


@pytest.mark.parametrize('phase, call, args', [
    ('train', 'before_train_epoch', ()), ('val', 'before_val_iter', (0, )),
    ('val', 'after_val_epoch', ()), ('test', 'before_test_iter', (0, ))])
def test_switches_with_every_data_set(clip, vocabulary, phase, call, args):
    backbone = PromptedCLIP(clip, vocabulary)
    runner = SimpleNamespace(model=SimpleNamespace(backbone=backbone))
    meta = dict(classes=('emu', 'elk'), base_classes=('elk', ),
                template='the {}')
    setattr(runner, f'{phase}_dataloader', loader(**meta))
    getattr(VocabularyHook(), call)(runner, *args)
    assert backbone.vocabulary == Vocabulary(
        ('emu', 'elk'), ('elk', ), ('the {}', ))


def test_leaves_alone_what_has_no_classes(clip, vocabulary):
    hook = VocabularyHook()
    backbone = PromptedCLIP(clip, vocabulary)
    model = SimpleNamespace(backbone=backbone)
    hook.before_val_iter(SimpleNamespace(model=model,
                                         val_dataloader=loader()), 0)
    assert backbone.vocabulary == vocabulary
    for backbone in (PromptedCLIP(clip), SimpleNamespace()):
        hook.before_val_iter(SimpleNamespace(
            model=SimpleNamespace(backbone=backbone),
            val_dataloader=loader(classes=('cat', ))), 0)
        assert getattr(backbone, 'vocabulary', None) is None
