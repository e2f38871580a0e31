"""Runs with and without a feature store."""
import pytest


@pytest.fixture
def make(small_run, clip, tmp_path):
    """A function that gives a config with augmentation, and a store unless
    ``views`` is False."""
    from stored_runs import EPOCHS

    def make(name, views=None, **options):
        cfg = small_run(**{
            'work_dir': str(tmp_path / name), 'train_cfg.max_epochs': EPOCHS,
            'default_hooks.logger.interval': 1,
            'train_dataloader.dataset.pipeline': [
                dict(type='LoadRGBImage'),
                dict(type='CLIPRandomResizedCrop', clip=clip),
                dict(type='RandomFlip', prob=.5, direction='horizontal'),
                dict(type='PackInputs')], **options})
        if views is not False:
            cfg.custom_hooks.append(dict(
                type='FeatureStoreHook', root=str(tmp_path / 'features'),
                views=views))
        return cfg

    return make
