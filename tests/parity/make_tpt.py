"""Run the public codes of TPT and C-TPT, and write what their steps give.

    python tests/parity/make_tpt.py TPT C-TPT

The arguments are checkouts of github.com/azshue/TPT (63ecbac) and
github.com/hee-suk-yoon/C-TPT (085e6c2). Their models and their function
``test_time_tuning`` run as they are, but on the CPU in fp32, on the small CLIP
of reference_clip.py, and on images of noise in place of augmented views.
"""
import argparse
import sys
import types
from unittest.mock import MagicMock, patch

import numpy as np
import packaging.version
import torch
from reference_clip import BASE, NEW, REFERENCE, draw, frozen_value

FILE = REFERENCE / 'tpt.npz'
VIEWS, SHARE, LR = 12, .25, 5e-3
# Case -> weight of the dispersion, None for TPT's code; steps.
CASES = dict(tpt=(None, 1), tpt_two_steps=(None, 2), ctpt=(50., 1),
             ctpt_two_steps=(50., 2))


def make_views() -> torch.Tensor:
    """Two images with their views, ``(2, 12, 3, 32, 32)``; views of an
    image resemble it."""
    image = draw('tpt.image', (2, 1, 3, 32, 32))
    noise = draw('tpt.views', (2, VIEWS, 3, 32, 32))
    noise[:, 0] = 0
    return torch.from_numpy(image + noise)


def load_public(checkout: str) -> tuple:
    """Import a public code, and build its model with the small CLIP."""
    for name in list(sys.modules):
        if name.partition('.')[0] in ('clip', 'data', 'utils',
                                      'tpt_classification'):
            del sys.modules[name]
    sys.path.insert(0, checkout)
    for name in ('ipdb', 'data.datautils'):
        sys.modules[name] = MagicMock()
    sys.modules['pkg_resources'] = types.SimpleNamespace(packaging=packaging)
    import tpt_classification as public
    from clip import custom_clip
    from clip.model import CLIP
    sys.path.remove(checkout)
    clip = CLIP(512, 32, 3, 768, 8, 77, 49408, 512, 8, 3)
    clip.load_state_dict({
        name: torch.from_numpy(frozen_value(name, tuple(value.shape)))
        for name, value in clip.state_dict().items()})
    with patch.object(custom_clip, 'load', lambda *_, **__: (clip, 512, None)):
        model = custom_clip.ClipTestTimeTuning(
            'cpu', BASE + NEW, None, arch='small', ctx_init='a_photo_of_a')
    for name, value in model.named_parameters():
        value.requires_grad_('prompt_learner' in name)
    return public, model.eval()


def run(checkout: str, weight: float | None, steps: int
        ) -> dict[str, np.ndarray]:
    """Tune on each image, as the loop of the public code does."""
    public, model = load_public(checkout)
    context = model.prompt_learner.ctx
    optimizer = torch.optim.AdamW(model.prompt_learner.parameters(), LR)
    start = optimizer.state_dict()
    args = types.SimpleNamespace(
        cocoop=False, tta_steps=steps, selection_p=SHARE, two_step=False,
        run_type='tpt_ctpt', lambda_term=weight)
    model.l2_norm_cal = weight is not None
    found = dict(loss=[], grad=[], context=[], logits=[])
    scaler = torch.amp.GradScaler('cpu', enabled=False)

    def note(loss: torch.Tensor) -> torch.Tensor:
        losses.append(float(loss))
        return loss

    for views in make_views():
        losses = []
        with torch.no_grad():
            model.reset()
        optimizer.load_state_dict(start)
        with patch.object(scaler, 'scale', note):
            public.test_time_tuning(model, views, optimizer, scaler, args)
        with torch.no_grad():
            logits = model(views[:1])[0]
        for key, value in (('loss', losses), ('grad', context.grad),
                           ('context', context), ('logits', logits)):
            found[key].append(np.array(torch.as_tensor(value).detach()))
    return {key: np.stack(rows) for key, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('tpt')
    parser.add_argument('ctpt')
    args = parser.parse_args()
    found = {}
    for case, (weight, steps) in CASES.items():
        checkout = args.tpt if weight is None else args.ctpt
        found.update({f'{case}/{key}': value for key, value in run(
            checkout, weight, steps).items()})
    np.savez_compressed(FILE, **found)


if __name__ == '__main__':
    main()
