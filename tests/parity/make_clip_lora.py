"""Run the public code of CLIP-LoRA, and write what it gives.

    python tests/parity/make_clip_lora.py CHECKOUT

CHECKOUT is github.com/MaxZanella/CLIP-LoRA (358f0d7). Its layers run as they
are, on the CPU in fp32, on the CLIP and images of make_methods.py; the step
around them is that of its ``run_lora``, and its ``save_lora`` writes the file
whose entries are described. Dropout is so rare that it does not
happen. At a rate of zero the layers take another way, whose gradients are
wrong: it changes a merged weight in place before the backward pass reads it.
"""
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

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
    trainable_value,
)
from saved_entries import describe_entries
from torch.nn import functional as F

TEMPLATE = 'a centered satellite photo of {}.'


def describe_file(options, layers, frozen, learned) -> dict[str, np.ndarray]:
    """Let the public code save its layers, and describe the file."""
    from loralib.utils import save_lora
    with tempfile.TemporaryDirectory() as folder:
        options.save_path, options.filename = folder, 'lora'
        options.dataset, options.shots, options.seed = 'eurosat', 16, 1
        save_lora(options, layers)
        file = torch.load(next(Path(folder).rglob('lora.pt')))
    flat = {f'{layer}.{place}.{leaf}': value
            for layer, places in file['weights'].items()
            for place, leaves in places.items()
            for leaf, value in leaves.items()}
    return dict(describe_entries(flat, frozen, learned),
                metadata=np.array(json.dumps(file['metadata'])))


def main() -> None:
    prepare(sys.argv[1])
    from clip import clip, model
    from loralib.utils import apply_lora, mark_only_lora_as_trainable
    frozen = {
        name: torch.from_numpy(frozen_value(name, tuple(value.shape), SALT))
        for name, value in open_clip.CLIP(
            **ARCHITECTURE).state_dict().items()}
    public = model.build_model(dict(frozen)).float()
    options = SimpleNamespace(
        encoder='both', position='all', backbone='ViT-B/16', r=2, alpha=1,
        params=['q', 'k', 'v'], dropout_rate=1e-12)
    layers = apply_lora(options, public)
    mark_only_lora_as_trainable(public)
    learned = {key: p for key, p in public.named_parameters()
               if p.requires_grad}
    for key, parameter in learned.items():
        parameter.data.copy_(trainable_value(SALT + key, parameter.shape))
    found = describe_file(options, layers, frozen, learned)
    images, labels = make_images()

    def logits(names: tuple[str, ...]) -> torch.Tensor:
        ids = clip.tokenize([TEMPLATE.format(name) for name in names])
        return 100 * F.normalize(public.encode_image(images), dim=-1) @ (
            F.normalize(public.encode_text(ids), dim=-1).T)

    found |= dict(logits_base=logits(BASE).detach().numpy(),
                  logits_new=logits(NEW).detach().numpy())
    loss = F.cross_entropy(logits(BASE), labels)
    loss.backward()
    found['loss'] = loss.detach().numpy()
    for key, parameter in learned.items():
        found[f'grad/{key}'] = sample(parameter.grad)
        found[f'norm/{key}'] = parameter.grad.norm().numpy()
    np.savez_compressed(REFERENCE / 'method_clip_lora.npz', **found)
    print(found['loss'])


if __name__ == '__main__':
    main()
