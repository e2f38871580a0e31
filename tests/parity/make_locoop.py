"""Run the public code of LoCoOp, and write its losses, gradients and scores.

    python tests/parity/make_locoop.py LoCoOp

LoCoOp is a checkout of github.com/AtsuMiyai/LoCoOp (a311b39). Its model, its
loss and its scores run as they are, but on the CPU in fp32, on the small CLIP
of reference_clip.py and images of noise.
"""
import contextlib
import sys
import types
from unittest.mock import MagicMock, patch

import numpy as np
import packaging.version
import torch
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    draw,
    frozen_value,
    trainable_value,
)
from torch.nn import functional as F

FILE = REFERENCE / 'locoop.npz'
TOP_K, WEIGHT, TOKENS = 3, .25, 4


def make_images() -> tuple[torch.Tensor, torch.Tensor]:
    """Six images, and their labels among ten classes."""
    images = torch.from_numpy(draw('locoop', (6, 3, 32, 32)))
    return images, torch.tensor([0, 3, 5, 9, 2, 7])


def load_public(checkout: str):
    """Make the public code importable on this torch, without a GPU."""
    sys.path.insert(0, checkout)
    for name in ('dassl', 'dassl.engine', 'dassl.metrics', 'dassl.utils',
                 'dassl.optim'):
        sys.modules[name] = MagicMock()
    # A trainer whose methods can be called without building one.
    sys.modules['dassl.engine'] = types.SimpleNamespace(
        TrainerX=object, TRAINER_REGISTRY=types.SimpleNamespace(
            register=lambda: lambda kind: kind))
    sys.modules['pkg_resources'] = types.SimpleNamespace(packaging=packaging)
    from trainers import locoop
    return locoop


def make_model(public) -> torch.nn.Module:
    """Build the public model with the small CLIP, and fill in the context."""
    from clip_w_local.model import CLIP
    clip = CLIP(512, 32, 3, 768, 8, 77, 49408, 512, 8, 3)
    clip.load_state_dict({
        name: torch.from_numpy(frozen_value(name, tuple(value.shape)))
        for name, value in clip.state_dict().items()})
    options = types.SimpleNamespace(
        N_CTX=TOKENS, CTX_INIT='', CSC=False, CLASS_TOKEN_POSITION='end')
    cfg = types.SimpleNamespace(
        TRAINER=types.SimpleNamespace(LOCOOP=options),
        INPUT=types.SimpleNamespace(SIZE=(32, 32)))
    model = public.CustomCLIP(cfg, BASE + NEW, clip).requires_grad_(False)
    context = model.prompt_learner.ctx.requires_grad_()
    with torch.no_grad():
        context.copy_(trainable_value('ctx', context.shape))
    return model.eval()


def main() -> None:
    with contextlib.ExitStack() as stack:
        for kind in (torch.Tensor, torch.nn.Module):
            stack.enter_context(patch.object(kind, 'cuda', lambda x: x))
        public = load_public(sys.argv[1])
        model, (images, labels) = make_model(public), make_images()
        logits, local = model(images)
        found = dict(features=model.image_encoder(images)[1], local=local,
                     loss_id=F.cross_entropy(logits, labels))
        found['loss_en'] = -public.entropy_select_topk(
            local.flatten(0, 1), TOP_K, labels, local.shape[1])
        loss = found['loss_id'] + WEIGHT * found['loss_en']
        found['grad'], = torch.autograd.grad(loss, model.prompt_learner.ctx)
        loader = MagicMock(dataset=images)
        loader.__iter__.return_value = iter([(images, labels)])
        trainer = MagicMock(model_inference=model)
        found['mcm'], found['glmcm'] = public.LoCoOp.test_ood(
            trainer, loader, 1)
    np.savez_compressed(FILE, **{
        key: np.array(torch.as_tensor(value).detach())
        for key, value in found.items()})


if __name__ == '__main__':
    main()
