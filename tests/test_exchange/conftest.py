"""An adapter to read and to damage.

Libraries are imported late, as tests/conftest.py says.
"""
import pytest


@pytest.fixture
def classifier(pair_configs):
    """Config of CoOp+DePT and its model, nothing as initialised."""
    from dept_mm.registry import MODELS

    config = pair_configs['CoOpPrompt', 'DePTHead']
    return config, filled(MODELS.build(config))


@pytest.fixture
def adapter(classifier, tmp_path):
    """The file of that model."""
    from dept_mm.exchange import write_adapter

    config, model = classifier
    path = tmp_path / 'adapter.safetensors'
    write_adapter(path, model.state_dict(), dict(model=config))
    return path


def filled(model):
    """The model with random values in place of the first ones."""
    for parameter in model.parameters():
        parameter.data.normal_(std=.1)
    neck = getattr(model, 'neck', None)
    if hasattr(neck, 'fill'):
        neck.fill(neck.keys.new_empty(3, neck.keys.shape[-1]).normal_(),
                  neck.class_ids)
    return model.eval()
