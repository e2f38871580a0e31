"""Run the public code of newer methods, and write what it gives.

    python tests/parity/make_methods.py METHOD CHECKOUT Dassl.pytorch

METHOD is a key of METHODS. CHECKOUT is the repository of the method at the
commit named there, Dassl.pytorch is github.com/KaiyangZhou/Dassl.pytorch
(c61a1b5); yacs, ftfy and regex have to be installed. The public trainers run
as they are, but on the CPU in fp32, on the small CLIP of reference_clip.py
with weights of its own (``SALT``). Written are the loss and the gradients of
one step on base classes, the logits of base and of new classes, and what a
checkpoint of the base classes holds.
"""
import argparse
import contextlib
import io
import json
import random
import tempfile
from pathlib import Path
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
from saved_entries import describe_entries

SALT = 'methods.'
ATTRIBUTES = ['TRAINER.ATPROMPT.USE_ATPROMPT', True]
for key, value in dict(ATT_NUM=2, ATT1_TEXT='color', ATT2_TEXT='shape',
                       N_ATT1=2, N_ATT2=2).items():
    ATTRIBUTES += [f'TRAINER.ATPROMPT.{key}', value]
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
                    'TRAINER.MMADAPTER.ADAPTER_SCALE', .1]),
    coprompt=('ShuvenduRoy/CoPrompt a2a6c12', 'CoPrompt', 'coprompt.yaml', [
        'TRAINER.CoPrompt.PREC', 'fp32', 'TRAINER.CoPrompt.PROMPT_DEPTH', 3,
        'TRAINER.W', 2.]),
    coop_atp=('zhengli97/ATPrompt 86980a1', 'CoOp_ATP', 'CoOp/vit_b16.yaml', [
        'TRAINER.COOP.N_CTX', 3, 'TRAINER.COOP.PREC', 'fp32', *ATTRIBUTES]),
    maple_atp=('zhengli97/ATPrompt 86980a1', 'MaPLe_ATP',
               'MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml', [
                   'TRAINER.MAPLE.N_CTX', 2, 'TRAINER.MAPLE.PREC', 'fp32',
                   'TRAINER.MAPLE.PROMPT_DEPTH', 3, *ATTRIBUTES]))


def make_images(name: str = 'images') -> tuple[torch.Tensor, torch.Tensor]:
    """Draw five images of noise, one for each base class."""
    return (torch.from_numpy(draw(SALT + name, (5, 3, 32, 32))),
            torch.arange(5))


def make_sentences() -> dict[str, list[str]]:
    """Return two sentences of each class; a step of CoPrompt uses the second.
    """
    return {name: [f'{name} from above.', f'a picture that shows {name}.']
            for name in BASE + NEW}


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
    trainer.test_loader = trainer.val_loader = [batch]
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
    # CoPrompt sees each image twice.
    images = ([images, make_images('view')[0]]
              if trainer.cfg.DATALOADER.K_TRANSFORMS == 2 else images)
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
    checkout = Path(args.checkout).absolute()
    prepare(checkout, Path(args.dassl).absolute())
    random.randint = lambda low, high: high  # CoPrompt draws a sentence
    state = {name: torch.from_numpy(frozen_value(
        name, tuple(value.shape), SALT)) for name, value in open_clip.CLIP(
            **ARCHITECTURE).state_dict().items()}
    images, labels = make_images()
    found = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        weights = Path('clip.pt').absolute()
        torch.save(state, weights)
        Path('gpt_file').mkdir()
        Path('gpt_file/eurosat_prompt.json').write_text(
            json.dumps(make_sentences()))
        for half, names in (('new', NEW), ('base', BASE)):
            with contextlib.redirect_stdout(io.StringIO()):
                trainer = make_trainer(args.method, checkout,
                                       str(weights), names, half)
                found[f'logits_{half}'] = record_logits(trainer, images)
    saved, = trainer._models.values()
    found |= describe_entries(
        saved.state_dict(), state,
        {k: p for k, p in trainer.model.named_parameters()
         if p.requires_grad},
        trainer.model.tokenized_prompts)
    found |= record_step(trainer, images, labels)
    np.savez_compressed(REFERENCE / f'method_{args.method}.npz', **found)
    print(args.method, found['loss'])


if __name__ == '__main__':
    main()
