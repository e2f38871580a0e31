"""Measure the fit and the predictions of every probe against a plain way.

    python tools/benchmarks/probes.py [--probes GDAProbe LinearProbe]
        [--classes 1000] [--shots 16] [--threads 2] [--cpu-time] [--quick]

Features are drawn around class centres and texts; 4 validation images per
class. The plain way is what public code does: scikit-learn's solver for the
linear probe, autograd on all images or batches for the others, and in the
search of APE one product for each point of the grid. Where a plain way takes
long, a part of it is run and multiplied; the table says so with ~.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.models import CLIPHead
from dept_mm.models import probes as package
from dept_mm.models.clip import clip_spec
from dept_mm.models.probes import BaseProbe
from dept_mm.structures import CLIPFeatures

PROBES = tuple(n for n in package.__all__ if n != 'BaseProbe')
IMAGES = 50_000
CLIP = dict(name='ViT-B-16-quickgelu', pretrained='random')


class Task:
    """Features of ``classes`` classes, ``shots`` images of each."""

    def __init__(self, classes: int, shots: int, width: int) -> None:
        random = torch.Generator().manual_seed(0)
        spread = torch.logspace(0, -1, width)  # few directions vary most
        centres = spread * torch.randn(classes, width, generator=random)
        common = 3 * torch.randn(width, generator=random) / width**.5

        def draw(count: int) -> tuple[Tensor, Tensor]:
            labels = torch.arange(classes).repeat_interleave(count)
            noise = spread * torch.randn(len(labels), width,
                                         generator=random)
            return F.normalize(centres[labels] + common + 4 * noise,
                               dim=1), labels

        self.images, self.labels = draw(shots)
        self.validation = draw(4)
        apart = .5 * spread * torch.randn(classes, width, generator=random)
        self.texts = 8 * F.normalize(centres + common + apart, dim=1)
        self.names = [f'class {i}' for i in range(classes)]


def plain_gda(task: Task) -> float:
    """The public lines: a covariance of all images and a pseudo-inverse."""
    x, y = task.images, task.labels
    means = torch.stack([x[y == c].mean(0) for c in range(len(task.texts))])
    rest = torch.cat([x[y == c] - means[c] for c in range(len(means))])
    width = x.shape[1]
    precision = width * torch.linalg.pinv(
        (len(rest) - 1) * rest.T.cov()
        + rest.T.cov().trace() * torch.eye(width))
    weight = means @ precision
    bias = -torch.einsum('nd,dc,nc->n', means, precision, means) / 2
    for alpha in (1e-4, 1e-3, .01, .1, 1, 10, 100):
        (task.validation[0] @ task.texts.T
         + alpha * (task.validation[0] @ weight.T + bias)).argmax(1)
    return 1.


def plain_linear(task: Task) -> float:
    """One of the fifteen fits of the search, at most 100 steps of it."""
    from sklearn.linear_model import LogisticRegression
    fit = LogisticRegression(C=31.6, max_iter=10).fit(
        task.images.numpy(), task.labels.numpy())
    return 15 * 100 / max(int(fit.n_iter_[0]), 1)


def plain_steps(batch: int, steps: int, run: int = 5, decay: float = 0.,
                checked_every: int = 0) -> Callable[[Task], float]:
    """Steps of SGD with autograd."""
    def work(task: Task) -> float:
        weight = task.texts.clone().requires_grad_()
        optimizer = torch.optim.AdamW([weight], lr=1e-4)
        size = min(batch, len(task.images))
        for _ in range(run):
            rows = torch.randperm(len(task.images))[:size]
            loss = F.cross_entropy(
                100 * task.images[rows] @ F.normalize(weight, dim=1).T,
                task.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return steps(task) / run if callable(steps) else steps / run

    return work


def plain_ape(task: Task) -> float:
    """One of 20,000 points of the grid, for 100 validation images."""
    image = task.validation[0][:100]
    value = F.one_hot(task.labels).float()
    votes = (-(1 - image @ task.images.T)).exp() @ value
    (image @ task.texts.T + votes).argmax(1)
    return 20_000 * len(task.validation[0]) / len(image)


def epochs(number: int) -> Callable[[Task], float]:
    return lambda task: number * max(len(task.images) // 256, 1)


PLAIN = dict(
    APE=plain_ape, GDAProbe=plain_gda, LinearProbe=plain_linear,
    LPPlusPlus=plain_steps(10**9, 300, run=1),
    CLAP=plain_steps(256, epochs(300)),
    TaskRes=plain_steps(256, epochs(200)),
    CrossModalProbe=plain_steps(32, 4 * 12_800))


def measure(work: Callable[[], float | None], clock: Callable[[], float]
            ) -> float:
    """Return the seconds that work takes, times what it returns."""
    start = clock()
    factor = work()
    return (clock() - start) * (factor or 1.)


def predict(probe: BaseProbe, task: Task) -> float:
    """Predict 1,000 images, and return how many times that is 50,000."""
    head, size = CLIPHead(), len(task.texts)
    image = task.images[:1000].repeat(-(-1000 // len(task.images)), 1)[:1000]
    with torch.inference_mode():
        head(probe(CLIPFeatures(
            task.texts, torch.arange(size), tuple(task.names),
            torch.tensor(100.), None, None, None, image))).argmax(1)
    return IMAGES / 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--probes', nargs='+', choices=PROBES,
                        default=PROBES)
    parser.add_argument('--classes', type=int, default=1000)
    parser.add_argument('--shots', type=int, default=16)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--quick', action='store_true',
                        help='ten classes: does it run?')
    parser.add_argument('--cpu-time', action='store_true',
                        help='seconds of the processor, with one thread, '
                        'where others use the machine')
    args = parser.parse_args()
    clock = time.process_time if args.cpu_time else time.perf_counter
    if args.cpu_time:
        args.threads = 1
    if args.threads:
        torch.set_num_threads(args.threads)
    task = Task(10 if args.quick else args.classes, args.shots,
                clip_spec(CLIP).embed_dim)
    print(f'{"probe":16} {"fit, s":>9} {"plain, s":>11} {"faster":>8} '
          f'{"50,000 images, s":>17}')
    for name in args.probes:
        probe = getattr(package, name)(CLIP, task.names)
        ours = measure(lambda probe=probe: probe.fit(
            task.images, task.labels, task.texts, task.validation), clock)
        plain = measure(lambda name=name: PLAIN[name](task), clock)
        predict(probe, task)
        speed = min(measure(lambda probe=probe: predict(probe, task), clock)
                    for _ in range(3))
        print(f'{name:16} {ours:9.3f} {"" if name == "GDAProbe" else "~"}'
              f'{plain:10.3f} {plain / ours:8.1f} {speed:17.2f}', flush=True)


if __name__ == '__main__':
    main()
