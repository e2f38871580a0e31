"""Run the public code of newer methods, and write what it gives.

    python tests/parity/make_methods.py METHOD CHECKOUT Dassl.pytorch

METHOD is a key of METHODS. CHECKOUT is the repository of the method at the
commit named there, Dassl.pytorch is github.com/KaiyangZhou/Dassl.pytorch
(c61a1b5); yacs, ftfy and regex have to be installed. The public trainers run
as they are, but on the CPU in fp32, on the small CLIP of reference_clip.py
with weights of its own (``SALT``). Written are the loss and the gradients of
one step on base classes, and the logits of base and of new classes.
"""
import argparse
import contextlib
import io
import tempfile
from unittest.mock import MagicMock

import numpy as np
import open_clip
import torch
from make_trajectories import prepare, sample
from reference_clip import (
    ARCHITECTURE,
    BASE,
    NEW,
    REFERENCE,
    draw,
    frozen_value,
    trainable_value,
)

SALT = 'methods.'
# Method -> commit, trainer, config file below configs/trainers, options.
METHODS = dict(
    mmrl=('yunncheng/MMRL 27d8821', 'MMRL', 'MMRL/vit_b16.yaml', [
        'TRAINER.MMRL.REP_LAYERS', [2, 3], 'TRAINER.MMRL.REP_DIM', 16,
        'TRAINER.MMRL.PREC', 'fp32', 'TRAINER.MMRL.REG_WEIGHT', .5,
        'TASK', 'B2N']),
    mmrlpp=('yunncheng/MMRL 27d8821', 'MMRLpp', 'MMRLpp/vit_b16.yaml', [
        'TRAINER.MMRLpp.REP_LAYERS', [2, 3], 'TRAINER.MMRLpp.REP_DIM', 16,
        'TRAINER.MMRLpp.PREC', 'fp32', 'TRAINER.MMRLpp.REG_WEIGHT', .5,
        'TRAINER.MMRLpp.BETA', .6, 'TRAINER.MMRLpp.PROJ_LORA_DIM', 3,
        'TASK', 'B2N']),
    mm_adapter=('ZjjConan/VLM-MultiModalAdapter c3d0bc2', 'MultiModalAdapter',
                'MultiModalAdapter/vit_b16_ep5.yaml', [
                    'TRAINER.MMADAPTER.PREC', 'fp32',
                    'TRAINER.MMADAPTER.ADAPTER_START', 2,
                    'TRAINER.MMADAPTER.ADAPTER_END', 3,
                    'TRAINER.MMADAPTER.ADAPTER_DIM', 4,
                    'TRAINER.MMADAPTER.ADAPTER_SCALE', .1]))


def make_images() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw five images of noise, one for each base class."""
    return (torch.from_numpy(draw(SALT + 'images', (5, 3, 32, 32))),
            torch.arange(5))


def make_trainer(method: str, root: str, weights: str, names: tuple[str, ...],
                 half: str):
    """Build a public trainer for some classes, and fill in what is learned."""
    import train as public
    from clip import clip
    from dassl.config import get_cfg_default
    from dassl.engine import TRAINER_REGISTRY
    from dassl.engine.trainer import TrainerBase
    clip._download = lambda url: weights
    _, name, file, options = METHODS[method]
    cfg = get_cfg_default()
    public.extend_cfg(cfg)
    cfg.merge_from_file(f'{root}/configs/trainers/{file}')
    cfg.merge_from_list([
        'INPUT.SIZE', (32, 32), 'DATASET.NAME', 'EuroSAT',
        'DATASET.SUBSAMPLE_CLASSES', half, *options])
    kind = TRAINER_REGISTRY.get(name)
    trainer = kind.__new__(kind)
    TrainerBase.__init__(trainer)
    trainer.cfg, trainer.device = cfg, torch.device('cpu')
    trainer.dm = MagicMock()
    trainer.dm.dataset.classnames = list(names)
    trainer.build_model()
    for key, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(trainable_value(SALT + key, parameter.shape))
    return trainer


def record_logits(trainer, images: torch.Tensor) -> np.ndarray:
    """Let the public loop test the images, and return the logits that it
    evaluates."""
    found, batch = [], dict(img=images, label=torch.zeros(5).long())
    trainer.evaluator = MagicMock(
        process=lambda output, label: found.append(output),
        evaluate=lambda: dict(accuracy=0.))
    trainer.test_loader, trainer.val_loader = [batch], None
    trainer.epoch, trainer.write_scalar = 0, lambda *args: None
    with torch.no_grad():
        trainer.test()
    return torch.cat(found).numpy()


def record_step(trainer, images: torch.Tensor, labels: torch.Tensor
                ) -> dict[str, np.ndarray]:
    """Return loss and gradients of one step."""
    learned = {key: p for key, p in trainer.model.named_parameters()
               if p.requires_grad}
    trainer.num_batches, trainer.batch_idx = 2, 0
    trainer.set_model_mode('train')
    found = dict(loss=np.array(trainer.forward_backward(
        dict(img=images, label=labels))['loss']))
    for key, parameter in learned.items():
        if parameter.grad is not None:
            found[f'grad/{key}'] = sample(parameter.grad)
            found[f'norm/{key}'] = parameter.grad.norm().numpy()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('method', choices=METHODS)
    parser.add_argument('checkout')
    parser.add_argument('dassl')
    args = parser.parse_args()
    prepare(args.checkout, args.dassl)
    state = {name: torch.from_numpy(frozen_value(
        name, tuple(value.shape), SALT)) for name, value in open_clip.CLIP(
            **ARCHITECTURE).state_dict().items()}
    images, labels = make_images()
    found = {}
    with tempfile.NamedTemporaryFile(suffix='.pt') as weights:
        torch.save(state, weights.name)
        for half, names in (('new', NEW), ('base', BASE)):
            with contextlib.redirect_stdout(io.StringIO()):
                trainer = make_trainer(args.method, args.checkout,
                                       weights.name, names, half)
                found[f'logits_{half}'] = record_logits(trainer, images)
    found |= record_step(trainer, images, labels)
    np.savez_compressed(REFERENCE / f'method_{args.method}.npz', **found)
    print(args.method, found['loss'])


if __name__ == '__main__':
    main()
