"""Measure every probe from base to new classes, alone and with DePT.

    python tools/benchmarks/probe_accuracy.py FEATURES.npz [--draws 3]
        [--probes GDAProbe LinearProbe]

FEATURES has ``image (N, D)``, ``label (N, )`` and ``text (C, D)``. The first
half of the classes is base. 16 images of each base class are drawn to fit and
4 to search on; all others are tested, and all images of new classes. The
features have unit length and get the length that OpenAI's ViT-B/16 gives them
(10 and 8), on which DePT's transforms act. DePT's second head is trained by
the common recipe (SGD, 10 epochs, batches of 4) on the zero-shot texts; a
probe does not change what it learns, so all share one.

ECE is the expected calibration error of 15 bins; it and accuracies are in %.
"""
from __future__ import annotations

import argparse
from statistics import harmonic_mean, mean

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.evaluation.calibration import expected_calibration_error
from dept_mm.models import CLIPHead, DePTHead
from dept_mm.models import probes as package
from dept_mm.structures import CLIPFeatures

PROBES = tuple(n for n in package.__all__ if n != 'BaseProbe')
CLIP = dict(name='ViT-B-16-quickgelu', pretrained='random')
SHOTS, HELD_OUT = 16, 4
RATE, EPOCHS, BATCH = .0035 * 6.5, 10, 4


class Draw:
    """Features of one draw, as a CLIP gives them."""

    def __init__(self, file: dict[str, np.ndarray], seed: int) -> None:
        image = 10 * F.normalize(torch.from_numpy(file['image']).float(),
                                 dim=1)
        label = torch.from_numpy(file['label']).long()
        self.text = 8 * F.normalize(torch.from_numpy(file['text']).float(),
                                    dim=1)
        self.names = tuple(map(str, range(len(self.text))))
        self.size = -(-len(self.names) // 2)
        random = torch.Generator().manual_seed(seed)
        parts: dict[str, list[Tensor]] = dict(train=[], val=[], base=[])
        for row in range(self.size):
            own = (label == row).nonzero()[:, 0]
            own = own[torch.randperm(len(own), generator=random)]
            for name, part in zip(parts, own.split(
                    [SHOTS, HELD_OUT, len(own) - SHOTS - HELD_OUT]),
                    strict=True):
                parts[name].append(part)
        index = {name: torch.cat(rows) for name, rows in parts.items()}
        index['new'] = (label >= self.size).nonzero()[:, 0]
        self.parts = {name: (image[rows], label[rows])
                      for name, rows in index.items()}

    def features(self, image: Tensor, new: bool = False) -> CLIPFeatures:
        """Images among the base classes or the new ones."""
        labels = torch.arange(len(self.names))
        labels = labels[self.size:] if new else labels[:self.size]
        return CLIPFeatures(self.text[labels], labels, self.names,
                            torch.tensor(100.), None, None, None, image)


def train_dept(draw: Draw) -> DePTHead:
    """Train DePT's head on zero-shot texts."""
    torch.manual_seed(0)
    head = DePTHead(draw.names[:draw.size], in_channels=draw.text.shape[1])
    optimizer = torch.optim.SGD(head.parameters(), RATE, momentum=.9,
                                weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    image, label = draw.parts['train']
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(label)).split(BATCH):
            losses = head.loss(draw.features(image[rows]), [
                DataSample().set_gt_label(int(y)) for y in label[rows]])
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
        schedule.step()
    return head.eval()


@torch.no_grad()
def measure(draw: Draw, probe: nn.Module | None, head: nn.Module
            ) -> tuple[float, ...]:
    """Return the accuracy of base and new classes and their ECE, in %."""
    accuracies, errors = [], []
    for task in ('base', 'new'):
        image, label = draw.parts[task]
        feats = draw.features(image, new=task == 'new')
        logits = head(feats if probe is None else probe(feats))
        sure, column = logits.softmax(1).max(1)
        right = feats.labels[column] == label
        accuracies.append(100 * right.float().mean().item())
        errors.append(100 * expected_calibration_error(
            sure.numpy(), right.numpy()))
    return *accuracies, *errors


def row(draws: list[tuple[float, ...]]) -> str:
    """Write means over draws, and H of the means."""
    old, new, *errors = (mean(values) for values in zip(*draws, strict=True))
    return ' | '.join(f'{value:.1f}' for value in (
        old, new, harmonic_mean([old, new]), *errors))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('features')
    parser.add_argument('--draws', type=int, default=3)
    parser.add_argument('--probes', nargs='*', choices=PROBES,
                        default=PROBES)
    args = parser.parse_args()
    with np.load(args.features) as file:
        draws = [Draw(file, seed) for seed in range(1, args.draws + 1)]
    heads = [train_dept(draw) for draw in draws]
    columns = 'base | new | H | ECE base | ECE new |'
    print(f'| | {columns} +DePT: {columns}\n|' + '---|' * 11)
    for name in ('zero-shot', *args.probes):
        alone, dept = [], []
        for draw, head in zip(draws, heads, strict=True):
            probe = None
            if name != 'zero-shot':
                probe = getattr(package, name)(CLIP, draw.names[:draw.size])
                probe.fit(*draw.parts['train'], draw.text[:draw.size],
                          draw.parts['val'])
            alone.append(measure(draw, probe, CLIPHead()))
            dept.append(measure(draw, probe, head))
        print(f'| {name} | {row(alone)} | {row(dept)} |', flush=True)


if __name__ == '__main__':
    main()
