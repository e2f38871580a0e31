"""One small run that the functions for scripts are tried on, and a model.

Libraries are imported late, as tests/conftest.py says.
"""
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'


@pytest.fixture(scope='module')
def options(clip_configs):
    """What makes the quickstart small."""
    return {
        'clip': clip_configs['vit'], 'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1, 'param_scheduler': [],
        'train_dataloader.dataset.num_shots': 1,
        **{f'{name}_dataloader.num_workers': 0
           for name in ('train', 'val', 'test')},
        'val_dataloader.dataset.indices': 64,
        'test_dataloader.dataset.indices': 64}


@pytest.fixture(scope='module')
def result(options, tmp_path_factory):
    """What ``train`` returns of it, with seed 2."""
    import dept_mm

    return dept_mm.train(QUICKSTART, options=options, seed=2,
                         work_dir=tmp_path_factory.mktemp('run'))


@pytest.fixture(scope='module')
def checkpoint(result):
    """The checkpoint of that run."""
    return Path(result['work_dir'], 'epoch_1.pth')


@pytest.fixture(scope='module')
def make(options):
    """A function of changes of the quickstart that gives a model of random
    weights, but for its CLIP."""
    import dept_mm
    from dept_mm.apis import TunedModel

    def make(**changes):
        module = dept_mm.build(QUICKSTART, options=dict(options, **changes))
        return TunedModel(module, module._config)

    return make


@pytest.fixture(scope='module')
def model(make):
    return make()


@pytest.fixture
def photos():
    import torch

    return torch.rand(5, 3, 40, 50)
