"""A checkpoint of another model is refused: mmengine loads what fits of it,
and says so in the log alone."""
import pytest
import torch
from mmengine.runner import Runner

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS


@pytest.fixture
def checkpoint(small_run, tmp_path):
    """A checkpoint of CoOp+DePT."""
    state = Runner.from_cfg(small_run()).model.state_dict()
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'x.pth')
    return str(tmp_path / 'x.pth')


def other_classes(cfg):
    names = DATASETS.build(cfg.dataset).metainfo['classes']
    return dict(names=[*names[1:], 'a cat'], base=['a cat', *names[1:8]])


def test_another_model(checkpoint, small_run, clip_configs):
    def load(culprit, **options):
        cfg = small_run(**options)
        if options.get('model.head.vocabulary') == 'other':
            cfg.model.head.vocabulary = other_classes(cfg)
        runner = Runner.from_cfg(cfg)
        before = {k: v.clone() for k, v in runner.model.state_dict().items()}
        with pytest.raises(DeptError, match=culprit):
            runner.load_checkpoint(checkpoint)
        learned = runner.model.backbone.prompt.state_dict()
        for name, value in learned.items():
            assert torch.equal(value, before[f'backbone.prompt.{name}'])

    load('trained on other classes', **{'model.head.vocabulary': 'other'})
    load('context', **{'model.backbone.prompt.num_tokens': 4})
    load('MaPLePrompt', **{'model.backbone.prompt': dict(
        type='MaPLePrompt', depth=2, _delete_=True)})
    load('CLIP', clip=dict(clip_configs['resnet']))
    Runner.from_cfg(small_run()).load_checkpoint(checkpoint)
