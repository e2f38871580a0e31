"""What parts of a config take that have no ``type``, said by signatures."""
from __future__ import annotations

from collections.abc import Mapping

from mmengine.runner import Runner
from torch.nn.utils import clip_grad_norm_


def clip(name: str, pretrained: str | None = None,
         precision: str = 'fp32') -> None:
    """Take what ``build_clip`` does."""


def paramwise(custom_keys: Mapping | None = None,
              bias_lr_mult: float | None = None,
              bias_decay_mult: float | None = None,
              norm_decay_mult: float | None = None,
              dwconv_decay_mult: float | None = None,
              flat_decay_mult: float | None = None,
              dcn_offset_lr_mult: float | None = None,
              bypass_duplicate: bool = False) -> None:
    """Take what MMEngine's ``DefaultOptimWrapperConstructor`` reads."""


def environment(cudnn_benchmark: bool = False, mp_cfg: Mapping | None = None,
                dist_cfg: Mapping | None = None,
                resource_limit: int = 4096) -> None:
    """Take what ``Runner.setup_env`` reads."""


def auto_scale_lr(base_batch_size: int, enable: bool = False) -> None:
    """Take what ``Runner.scale_lr`` reads."""


# Path in the config -> what reads the dict there.
READERS = {
    'auto_scale_lr': auto_scale_lr, 'env_cfg': environment,
    'optim_wrapper.clip_grad': clip_grad_norm_,
    'optim_wrapper.paramwise_cfg': paramwise,
    'randomness': Runner.set_randomness}
