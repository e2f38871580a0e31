"""Tiny models to export.

Libraries are imported late, as tests/conftest.py says.
"""
import pytest

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')


@pytest.fixture
def tune():
    """A function of a classifier's config that gives a model with random
    weights and a temperature."""
    import torch
    from mmengine.config import Config

    from dept_mm.apis import TunedModel
    from dept_mm.registry import MODELS

    def tune(config):
        clip = config['backbone']['clip']
        module = MODELS.build(dict(config, data_preprocessor=dict(
            type='CLIPDataPreprocessor', clip=clip))).eval()
        with torch.no_grad():
            for p in module.parameters():
                p.add_(.1 * torch.randn_like(p))
        pipeline = [dict(type=name) for name in ('LoadRGBImage', 'PackInputs')]
        pipeline.insert(1, dict(type='CLIPResizeCenterCrop', clip=clip))
        return TunedModel(module, Config(dict(test_dataloader=dict(
            dataset=dict(pipeline=pipeline)))), 1.5)

    return tune
