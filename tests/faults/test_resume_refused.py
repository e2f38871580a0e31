"""Resuming is refused where it could not go on as the run began."""
import pytest
import torch
from mmengine.runner import Runner

from dept_mm.engine.hooks import resume_hook
from dept_mm.errors import DeptError


def test_changed_options(small_run, tmp_path):
    """Those of what the checkpoint holds are refused, and named."""
    def train(**options):
        cfg = small_run(**{
            'work_dir': str(tmp_path / 'run'), 'train_cfg.max_epochs': 1,
            'val_dataloader.dataset.indices': 4, **options})
        runner = Runner.from_cfg(cfg)
        runner.train()
        return runner.epoch

    train()
    for key, value in (('optim_wrapper.optimizer.lr', 1.),
                       ('train_dataloader.batch_size', 3),
                       ('model.backbone.prompt.num_tokens', 2)):
        with pytest.raises(DeptError) as error:
            train(resume=True, **{key: value})
        assert f'{key}: ' in str(error.value)
        assert f'{value} now' in str(error.value)
        assert 'train_cfg.max_epochs' in str(error.value)
    assert train(resume=True, **{
        'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 2,
        'default_hooks.logger.interval': 7, 'work_dir': str(tmp_path / 'b'),
        'load_from': str(tmp_path / 'run/epoch_1.pth'),
        'val_dataloader.batch_size': 2}) == 2


def test_weights_alone_cannot_be_resumed(toy, tmp_path):
    toy(epochs=1).train()
    state = torch.load(tmp_path / 'run/epoch_1.pth', weights_only=True)
    torch.save(dict(state_dict=state['state_dict']), tmp_path / 'w.pth')
    with pytest.raises(DeptError, match='without meta, message_hub, optim'):
        toy(resume=True, load_from=str(tmp_path / 'w.pth')).train()
    toy(epochs=1, load_from=str(tmp_path / 'w.pth')).train()


def test_another_seed_is_refused(toy):
    toy(epochs=1, seed=2).train()
    with pytest.raises(DeptError, match='give --seed 2'):
        toy(resume=True).train()


def test_another_number_of_processes_is_refused(toy, monkeypatch):
    toy(epochs=2).train()
    monkeypatch.setattr(resume_hook, 'get_world_size', lambda: 2)
    with pytest.raises(DeptError, match='processes was 1 and is now 2'):
        toy(resume=True).train()
