"""Run the public code of Skip Tuning, and write what it gives.

    python tests/parity/make_skip_tuning.py CHECKOUT Dassl.pytorch

CHECKOUT is github.com/Koorye/SkipTuning (8c4636e), Dassl.pytorch as in
make_methods.py. Its model runs as it is, on the CPU in fp32, on the CLIP and
images of make_methods.py, of which two classes are in the batch; the steps
around it are those of its trainer. What its trainer saves is written for
tuned blocks of drawn values.
"""
import contextlib
import io
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import open_clip
import torch
from make_methods import SALT, make_images
from make_trajectories import prepare, sample
from reference_clip import (
    ARCHITECTURE,
    BASE,
    NEW,
    REFERENCE,
    frozen_value,
)
from saved_entries import describe_entries

FIRST = 1  # how many blocks stay frozen
LABELS = torch.tensor([0, 3, 0, 3, 0])
TUNED = 'tuned.'  # begins the names that values of tuned blocks follow from


def decay(x, scale):
    """The density that the public code takes from scipy."""
    return torch.exp(-x / scale) / scale


def frozen_values(prefix: str = '') -> dict[str, torch.Tensor]:
    """Return weights of CLIP by OpenAI's names, or others with a prefix."""
    return {prefix + name: torch.from_numpy(frozen_value(
        name, tuple(value.shape), SALT + prefix)) for name, value in
        open_clip.CLIP(**ARCHITECTURE).state_dict().items()}


def tune(model) -> None:
    """Fill in what is learned."""
    tuned = frozen_values(TUNED)
    for name, parameter in model.learnable_params.named_parameters():
        if parameter.requires_grad:
            own = name.replace('image_encoder.', 'visual.')
            parameter.data.copy_(
                tuned[TUNED + own.removeprefix('text_encoder.')])


def make_model(names: tuple[str, ...]):
    """Build the public model for some classes."""
    import train as public
    from clip.model import build_model
    from dassl.config import get_cfg_default
    from trainers import skip_tuning
    cfg = get_cfg_default()
    public.extend_cfg(cfg)
    cfg.merge_from_list(['DATASET.NAME', 'EuroSAT',
                         'TRAINER.SKIP.START_LAYER', FIRST])
    clip = build_model(frozen_values()).float()
    model = skip_tuning.SkipCustomCLIP(cfg, names, clip)
    model.requires_grad_(False)
    for part in model.learnable_params.values():
        part.requires_grad_(True)
    for part in model.excluded_params.values():
        part.requires_grad_(False)
    return model


def main() -> None:
    prepare(*sys.argv[1:])
    sys.modules['yagmail'] = MagicMock()  # it would send mails
    sys.modules['scipy.stats'] = SimpleNamespace(
        expon=SimpleNamespace(pdf=decay))
    images, _ = make_images()
    found = {}
    for half, names in (('new', NEW), ('base', BASE)):
        with contextlib.redirect_stdout(io.StringIO()):
            model = make_model(names)
        with torch.no_grad():
            found[f'logits_{half}'] = model(images).numpy()
            hidden, _ = model.forward_image_features(images)
            model.text_features, out = model.forward_text_features()
            model.class_prototypes = out / out.norm(dim=-1, keepdim=True)
    loss, _ = model(hidden, LABELS)
    loss.backward()
    found['loss'] = loss.detach().numpy()
    for tower in ('text_encoder', 'image_encoder'):
        for key, parameter in getattr(model, tower).named_parameters(tower):
            if parameter.grad is not None:
                found[f'grad/{key}'] = sample(parameter.grad)
                found[f'norm/{key}'] = parameter.grad.norm().numpy()
    found['kept'] = model.reserve_mask.numpy()
    for half, names in (('new', NEW), ('base', BASE)):
        with contextlib.redirect_stdout(io.StringIO()):
            model = make_model(names)
        tune(model)
        with torch.no_grad():
            found[f'tuned_logits_{half}'] = model(images).numpy()
    # The trainer registers, and so saves, this part of the model.
    found |= describe_entries(model.learnable_params.state_dict(),
                              frozen_values(), frozen_values(TUNED))
    np.savez_compressed(REFERENCE / 'method_skip_tuning.npz', **found)
    print(found['loss'], found['kept'], len(found))


if __name__ == '__main__':
    main()
