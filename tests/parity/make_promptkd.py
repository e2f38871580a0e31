"""Run the public code of PromptKD, and write what it gives.

    python tests/parity/make_promptkd.py CHECKOUT Dassl.pytorch

CHECKOUT is github.com/zhengli97/PromptKD (ec244f7), Dassl.pytorch as in
make_methods.py. The trainer runs as it is, but on the CPU in fp32. The student
has the CLIP of make_methods.py. The teacher has it with other projections, to
the wider features that the public code expects, and prompts of drawn values.
What a checkpoint of the student holds is written as well.
"""
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import open_clip
import torch
from make_methods import SALT, make_images, record_logits, record_step
from make_trajectories import prepare
from reference_clip import (
    ARCHITECTURE,
    BASE,
    NEW,
    REFERENCE,
    frozen_value,
    trainable_value,
)
from saved_entries import describe_entries

TEACHER_SALT, TEACHER_WIDTH = 'teacher.', 768
BLOCK = 'transformer.resblocks.{}.VPT_shallow'
TEACHER = {'prompt_learner.ctx': (4, 512), 'image_encoder.VPT': (4, 768),
           **{f'text_encoder.{BLOCK.format(i)}': (4, 512) for i in (1, 2)},
           **{f'image_encoder.{BLOCK.format(i)}': (4, 768) for i in (1, 2)}}


def running_value(name: str, shape: tuple) -> torch.Tensor:
    """Value of a statistic of the batch norm; variances are positive."""
    x = trainable_value(SALT + name, shape)
    return 1 + x.abs() if name.endswith('var') else x


def write_files() -> None:
    """Write both CLIPs and the teacher where the public code expects them."""
    for name, width in (('ViT-B-16', 512), ('ViT-L-14', TEACHER_WIDTH)):
        shapes = open_clip.CLIP(
            **ARCHITECTURE | dict(embed_dim=width)).state_dict()
        Path('clip').mkdir(exist_ok=True)
        torch.save({key: torch.from_numpy(frozen_value(
            key, tuple(value.shape), SALT)) for key, value in shapes.items()},
            f'clip/{name}.pt')
    folder = Path('teacher_model/EuroSAT/VLPromptLearner')
    folder.mkdir(parents=True)
    torch.save(dict(epoch=1, state_dict={
        key: trainable_value(TEACHER_SALT + key, shape)
        for key, shape in TEACHER.items()}), folder / 'model-best.pth.tar')


def make_trainer(root: str):
    """Build the public trainer, and fill in what is learned."""
    import train as public
    from dassl.config import get_cfg_default
    from dassl.engine.trainer import TrainerBase
    from trainers.promptkd import PromptKD
    cfg = get_cfg_default()
    public.extend_cfg(cfg)
    cfg.merge_from_file(f'{root}/configs/trainers/PromptKD/'
                        'vit_b16_c2_ep20_batch8_4+4ctx.yaml')
    cfg.merge_from_list([
        'INPUT.SIZE', (32, 32), 'DATASET.NAME', 'EuroSAT',
        'TRAINER.NAME', 'PromptKD', 'TRAINER.MODAL', 'base2novel',
        'TRAINER.PROMPTKD.PREC', 'fp32', 'TRAINER.PROMPTKD.TEMPERATURE', 2.,
        'TRAINER.PROMPTKD.KD_WEIGHT', 1000.])
    trainer = PromptKD.__new__(PromptKD)
    TrainerBase.__init__(trainer)
    trainer.cfg, trainer.device = cfg, torch.device('cpu')
    trainer.dm = MagicMock()
    trainer.dm.dataset.classnames = [*BASE, *NEW]
    trainer.build_model()
    for key, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(trainable_value(SALT + key, parameter.shape))
    for key, value in trainer.model.named_buffers():
        if 'running' in key:
            value.copy_(running_value(key, tuple(value.shape)))
    return trainer


def main() -> None:
    root, dassl = map(os.path.abspath, sys.argv[1:])
    prepare(root, dassl)
    images, labels = make_images()
    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_files()
        with contextlib.redirect_stdout(io.StringIO()):
            trainer = make_trainer(root)
            for half, split in (('base', 'val'), ('new', 'test')):
                trainer.cfg.TEST.SPLIT = split
                found[f'logits_{half}'] = record_logits(trainer, images)
    saved, = trainer._models.values()
    found |= describe_entries(
        saved.state_dict(), {key: torch.from_numpy(frozen_value(
            key, tuple(value.shape), SALT)) for key, value in open_clip.CLIP(
                **ARCHITECTURE).state_dict().items()},
        {key: value for key, value in saved.state_dict().items()
         if 'VPT' in key})
    found |= record_step(trainer, images, labels)
    np.savez_compressed(REFERENCE / 'method_promptkd.npz', **found)
    print(found['loss'])


if __name__ == '__main__':
    main()
