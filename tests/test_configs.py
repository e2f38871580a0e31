"""Every leaf config builds: its model, its hooks, its optimiser, its
schedule. Real CLIPs have random weights and two classes stand in for data."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from dept_mm.models.clip import build_clip
from dept_mm.registry import HOOKS, MODELS, PARAM_SCHEDULERS
from dept_mm.reports.explain import replace_datasets, use_random_weights

CONFIGS = Path(__file__).parents[1] / 'configs'
LEAVES = sorted(str(path.relative_to(CONFIGS))
                for path in CONFIGS.glob('[!_]*/*.py')
                # Those need transformers; see tests/test_language.
                if path.parent.name != 'language')
# Parameters that DePT's head adds for the one base class of two, at ViT-B/16.
HEAD = 4 * 512 + 513


@pytest.fixture(scope='module')
def build():
    """A leaf config to its model; one CLIP, which is shared while somebody
    holds it, for all of them."""
    shared = build_clip(dict(name='ViT-B-16-quickgelu', pretrained='random'))

    def make(leaf):
        cfg = Config.fromfile(CONFIGS / leaf)
        replace_datasets(cfg, ('cat', 'dog'), 20)
        if 'demo' not in cfg.clip.name:
            use_random_weights(cfg)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = MODELS.build(cfg.model)
        assert 'demo' in cfg.clip.name or model.backbone.clip is shared
        return cfg, model

    return make


@pytest.mark.parametrize('leaf', LEAVES)
def test_leaf(leaf, build):
    cfg, model = build(leaf)
    learned = [p for p in model.parameters() if p.requires_grad]
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for hook in cfg.custom_hooks:
            HOOKS.build(hook)
        if not learned:
            return
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        for schedule in cfg.param_scheduler:
            PARAM_SCHEDULERS.build(dict(schedule, optimizer=wrapper),
                                   default_args=dict(epoch_length=10))
    last = cfg.param_scheduler[-1]
    end = last.get('end', last.get('begin', 0) + last.T_max)
    assert end >= cfg.train_cfg.max_epochs


@pytest.mark.parametrize('leaf', [
    leaf for leaf in LEAVES if leaf.startswith('dept/dept-')
    and not any(part in leaf for part in ('tip-', 'paper', '-xd', '-dg',
                                          'fewshot'))])
def test_dept_adds_its_head(leaf, build):
    """And nothing else, to the host of the same name."""
    name = Path(leaf).name.removeprefix('dept-')
    host, = (other for other in LEAVES if Path(other).name in (
        name, name.replace('zero-shot_vit-base-p16_16shot',
                           'zero-shot_vit-base-p16')))
    learned = [sum(p.numel() for p in build(which)[1].parameters())
               for which in (leaf, host)]
    assert learned[0] - learned[1] == HEAD
