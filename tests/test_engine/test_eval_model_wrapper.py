"""The wrapper must look like DDP to the runner and synchronise nothing."""
import pytest
import torch
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import load_checkpoint
from torch import nn

from dept_mm.engine import EvalModelWrapper


class Toy(BaseModel):

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor'):
        return mode, self.linear(inputs)

    def val_step(self, data) -> list:
        return ['val', data]

    def test_step(self, data) -> list:
        return ['test', data]


@pytest.fixture
def wrapper() -> EvalModelWrapper:
    return MODEL_WRAPPERS.build(dict(type='EvalModelWrapper', module=Toy()))


def test_runner_takes_it_for_a_wrapper(wrapper):
    assert is_model_wrapper(wrapper)
    assert isinstance(wrapper.module, Toy)


def test_forwards_to_the_model(wrapper):
    inputs = torch.ones(1, 2)
    mode, out = wrapper(inputs, mode='predict')
    assert mode == 'predict'
    assert torch.equal(out, wrapper.module.linear(inputs))
    assert wrapper.val_step(3) == ['val', 3]
    assert wrapper.test_step(3) == ['test', 3]


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_loads_a_checkpoint_of_the_model(wrapper, prefix, tmp_path):
    state = {
        prefix + name: torch.full_like(value, 3.)
        for name, value in Toy().state_dict().items()
    }
    torch.save(dict(state_dict=state), tmp_path / 'model.pth')
    load_checkpoint(wrapper, str(tmp_path / 'model.pth'), strict=True)
    assert torch.all(wrapper.module.linear.weight == 3)


def test_refuses_to_train(wrapper):
    with pytest.raises(RuntimeError, match='model_wrapper_cfg'):
        wrapper.train_step(None, None)
