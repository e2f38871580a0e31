"""The methods that ``tools/choose.py`` compares, as data."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@dataclass(frozen=True)
class Method:
    """A method and its config.

    Args:
        name (str): Its name in tables.
        config (str): Its config, below ``configs``.
        frozen_image (bool): Whether it needs nothing of images but features
            of the frozen image tower. Defaults to False.
        blocks (Mapping): Options that count blocks -> their values for twelve
            blocks; a smaller CLIP cuts them.
    """
    name: str
    config: str
    frozen_image: bool = False
    blocks: Mapping[str, int] = field(default_factory=dict, hash=False)


_COMMON = '_vit-base-p16_16shot_caltech101-b2n.py'
METHODS = (
    Method('zero-shot+DePT', f'dept/dept-zero-shot{_COMMON}', True),
    Method('CoOp', f'coop/coop{_COMMON}', True),
    Method('CoOp+DePT', f'dept/dept-coop{_COMMON}', True),
    Method('KgCoOp+DePT', f'dept/dept-kgcoop{_COMMON}', True),
    Method('CLIP-Adapter+DePT', f'dept/dept-clip-adapter{_COMMON}', True),
    Method('MaPLe+DePT', f'dept/dept-maple{_COMMON}',
           blocks={'model.backbone.prompt.depth': 9}),
    Method('MultiModalAdapter+DePT',
           'dept/dept-mm-adapter_vit-base-p16_5e-16shot_caltech101-b2n.py',
           blocks={'model.backbone.prompt.first_block': 5}),
    Method('CLIP-LoRA+DePT', f'dept/dept-clip-lora{_COMMON}',
           blocks={'model.backbone.prompt.first_block': 1}),
)
