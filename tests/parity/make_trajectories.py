"""Train ten epochs with the public code of DePT, and write what happened.

    python tests/parity/make_trajectories.py DePT Dassl.pytorch

The arguments are checkouts of github.com/Koorye/DePT (d4ff416) and
github.com/KaiyangZhou/Dassl.pytorch (c61a1b5); yacs has to be installed. Their
trainers, optimisers and schedules run as they are, with the public config
files but in fp32, on the small CLIP of reference_clip.py and two batches of
noise.
"""
import argparse
import contextlib
import io
import sys
import tempfile
import types
from unittest.mock import MagicMock

import numpy as np
import open_clip
import torch
from reference_clip import (
    ARCHITECTURE,
    BASE,
    REFERENCE,
    frozen_value,
    make_batches,
    trainable_value,
)

# Case -> trainer of the public code, section of its options, config file.
COOP, COCOOP, KGCOOP, MAPLE = (
    'vit_b16_ep10_bs4_lr35', 'vit_b16_c4_ep10_batch1_ctxv1',
    'vit_b16_ep10_ctxv1_bs4_lr35', 'vit_b16_c2_ep10_batch4_2ctx')
CASES = dict(
    coop=('CoOp', 'COOP', COOP),
    coop_dept=('ExtrasLinearProbeCoOp', 'COOP', COOP),
    cocoop=('CoCoOp', 'COCOOP', COCOOP),
    cocoop_dept=('ExtrasLinearProbeCoCoOp', 'COCOOP', COCOOP),
    kgcoop=('KgCoOp', 'COOP', KGCOOP),
    kgcoop_dept=('ExtrasLinearProbeKgCoOp', 'COOP', KGCOOP),
    maple=('MaPLe', 'MAPLE', MAPLE),
    maple_dept=('ExtrasLinearProbeMaPLe', 'MAPLE', MAPLE))
# What the public code imports and training does not use.
UNUSED = ('plotnine', 'gdown', 'wilds', 'pandas', 'tabulate', 'scipy',
          'scipy.io', 'sklearn', 'sklearn.metrics', 'torch.utils.tensorboard')


def prepare(*checkouts: str) -> None:
    """Make the public code importable on this torch, without a GPU."""
    sys.path[:0] = map(str, checkouts)
    for name in UNUSED:
        module = types.ModuleType(name)
        module.__getattr__ = lambda attribute: MagicMock()
        module.__all__ = []
        sys.modules[name] = module
    schedules = torch.optim.lr_scheduler

    class _LRScheduler(schedules.LRScheduler):
        """As in older versions of torch, with a third argument."""

        def __init__(self, optimizer, last_epoch=-1, verbose=False):
            super().__init__(optimizer, last_epoch)

    schedules._LRScheduler = _LRScheduler
    for kind in (torch.Tensor, torch.nn.Module):
        kind.half = kind.cuda = lambda self: self


def make_trainer(case: str, root: str, weights: str):
    """Build a public trainer, and fill in what is learned."""
    import train as public
    from clip import clip
    from clip_maple import clip as clip_maple
    from dassl.config import get_cfg_default
    from dassl.engine import TRAINER_REGISTRY
    from dassl.engine.trainer import TrainerBase
    clip._download = clip_maple._download = lambda url: weights
    name, section, file = CASES[case]
    cfg = get_cfg_default()
    public.extend_cfg(cfg)
    cfg.merge_from_file(f'{root}/configs/trainers/{name}/{file}.yaml')
    cfg.merge_from_list([
        'INPUT.SIZE', (32, 32), 'DATASET.NAME', 'EuroSAT',
        'DATASET.SUBSAMPLE_CLASSES', 'base', f'TRAINER.{section}.PREC',
        'fp32', 'TRAINER.MAPLE.PROMPT_DEPTH', 3])
    kind = TRAINER_REGISTRY.get(name)
    trainer = kind.__new__(kind)
    TrainerBase.__init__(trainer)
    trainer.cfg, trainer.device = cfg, torch.device('cpu')
    trainer.dm = MagicMock()
    trainer.dm.dataset.classnames = list(BASE)
    trainer.build_model()
    for key, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(trainable_value(key, parameter.shape))
    return trainer


def record(trainer) -> dict[str, np.ndarray]:
    """Train, and return losses, learning rates and samples of weights."""
    batches = make_batches(trainer.cfg.DATALOADER.TRAIN_X.BATCH_SIZE)
    learned = {key: p for key, p in trainer.model.named_parameters()
               if p.requires_grad}
    before = {key: p.detach().clone() for key, p in learned.items()}
    losses, rates = [], []
    trainer.num_batches = len(batches)
    trainer.set_model_mode('train')
    for _ in range(trainer.cfg.OPTIM.MAX_EPOCH):
        for trainer.batch_idx, (images, labels) in enumerate(batches):
            rates.append([g['lr'] for g in trainer.optim.param_groups])
            losses.append(trainer.forward_backward(
                dict(img=images, label=labels))['loss'])
    found = dict(loss=np.array(losses), lr=np.array(rates))
    for key, parameter in learned.items():
        if parameter.grad is None:  # KgCoOp makes some that nothing uses.
            continue
        value = parameter.detach()
        found[f'final/{key}'] = sample(value)
        found[f'change/{key}'] = (value - before[key]).norm().numpy()
    return found


def sample(value: torch.Tensor) -> np.ndarray:
    """Return at most 200 values that lie evenly in a tensor."""
    flat = value.flatten()
    return flat[::-(-len(flat) // 200)].numpy().copy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('dept')
    parser.add_argument('dassl')
    args = parser.parse_args()
    prepare(args.dept, args.dassl)
    state = {name: torch.from_numpy(frozen_value(name, tuple(value.shape)))
             for name, value in open_clip.CLIP(
                 **ARCHITECTURE).state_dict().items()}
    found = {}
    with tempfile.NamedTemporaryFile(suffix='.pt') as weights:
        torch.save(state, weights.name)
        for case in CASES:
            with contextlib.redirect_stdout(io.StringIO()):
                trainer = make_trainer(case, args.dept, weights.name)
            found |= {f'{case}/{key}': value
                      for key, value in record(trainer).items()}
            print(case, found[f'{case}/loss'].round(4))
    np.savez_compressed(REFERENCE / 'trajectories.npz', **found)


if __name__ == '__main__':
    main()
