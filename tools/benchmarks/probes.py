"""Measure the fit and the predictions of every probe against a plain way.

    python tools/benchmarks/probes.py [--probes GDAProbe LinearProbe]
        [--classes 1000] [--shots 16] [--threads 2] [--part 10] [--cpu-time]
        [--quick]

Features are drawn around class centres and texts; 4 validation images per
class. The plain way is what public code does: scikit-learn's solver for the
linear probe, autograd on all images or batches for the others, and in the
search of APE one product for each point of the grid. Where a plain way takes
long, a part of it is run and multiplied; the table says so with ~. With
--part, one of so many epochs, steps or validation images of ours is run and
multiplied, too, but for probes that have none of them.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from _benchmark.measure import add_clock, choose_clock
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


def plain_steps(batch: int, steps: int | Callable, run: int = 5
                ) -> Callable[[Task], float]:
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


def plain_search(points: int) -> Callable[[Task], float]:
    """One of the points of a grid, for 100 validation images."""
    def work(task: Task) -> float:
        image = task.validation[0][:100]
        value = F.one_hot(task.labels).float()
        votes = (-(1 - image @ task.images.T)).exp() @ value
        (image @ task.texts.T + votes).argmax(1)
        return points * len(task.validation[0]) / len(image)

    return work


def plain_ape_t(task: Task) -> float:
    """One step of 20 epochs, with autograd through keys, texts and votes."""
    value = F.one_hot(task.labels).float()
    residual = torch.zeros_like(task.texts, requires_grad=True)
    votes = torch.ones(len(value), 1, requires_grad=True)
    optimizer = torch.optim.AdamW([residual, votes], lr=1e-4, eps=1e-3)
    rows = torch.randperm(len(task.images))[:256]
    image = task.images[rows]
    keys = task.images + residual[task.labels]
    logits = 100 * image @ (task.texts + residual).T + (
        image @ keys.T - 1).exp() @ (votes * value)
    F.cross_entropy(logits, task.labels[rows]).backward()
    optimizer.step()
    return 20 * -(-len(task.images) // 256)


def epochs(number: int) -> Callable[[Task], float]:
    return lambda task: number * max(len(task.images) // 256, 1)


PLAIN = dict(
    APE=[plain_search(20_000)], APET=[plain_ape_t, plain_search(4_000)],
    GDAProbe=[plain_gda], LinearProbe=[plain_linear],
    LPPlusPlus=[plain_steps(10**9, 300, run=1)],
    CLAP=[plain_steps(256, epochs(300))],
    TaskRes=[plain_steps(256, epochs(200))],
    CrossModalProbe=[plain_steps(32, 4 * 12_800)])
# What --part takes a part of, and how many of it there are.
LENGTH = dict(
    APET=('epochs', 20), CLAP=('epochs', 300), TaskRes=('epochs', 200),
    LPPlusPlus=('num_steps', 300), CrossModalProbe=('num_steps', 12_800))
SEARCHED = 'APE', 'APET'


def measure(work: Callable[[], float | None], *clocks: Callable[[], float]
            ) -> list[float]:
    """Return the seconds that work takes, times what it returns."""
    starts = [clock() for clock in clocks]
    factor = work()
    return [(clock() - start) * (factor or 1.)
            for clock, start in zip(clocks, starts, strict=True)]


def fit(name: str, task: Task, part: int
        ) -> tuple[BaseProbe, Callable[[], float]]:
    """Return a probe and what fits it, or a part of it."""
    options, validation, parts = {}, task.validation, 1
    if name in LENGTH:
        option, length = LENGTH[name]
        options[option] = max(length // part, 1)
        parts = length / options[option]
    if name in SEARCHED:
        validation = tuple(x[::part] for x in validation)
        parts = len(task.validation[0]) / len(validation[0])
    probe = getattr(package, name)(CLIP, task.names, **options)

    def work() -> float:
        probe.fit(task.images, task.labels, task.texts, validation)
        return parts

    return probe, work


def rate(task: Task, clock: Callable[[], float]) -> float:
    """Measure the product of all images and classes, in GFLOP/s."""
    images, texts = task.images, task.texts.T

    def multiply() -> None:
        images @ texts

    seconds = min(measure(multiply, clock)[0] for _ in range(5))
    return 2 * images.numel() * texts.shape[1] / seconds / 1e9


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
    parser.add_argument('--part', type=int, default=1,
                        help='run one of so many epochs of ours')
    parser.add_argument('--quick', action='store_true',
                        help='ten classes: does it run?')
    add_clock(parser)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = choose_clock(args)
    task = Task(10 if args.quick else args.classes, args.shots,
                clip_spec(CLIP).embed_dim)
    print(f'{torch.get_num_threads()} threads, products of matrices: '
          f'{rate(task, clock):.0f} GFLOP/s\n')
    print('| probe | fit, s | CPU, s | plain, s | faster | 50,000 images, s |'
          '\n|' + '---|' * 6)
    for name in args.probes:
        print(row(name, task, args.part, clock), flush=True)


def row(name: str, task: Task, part: int, clock: Callable[[], float]) -> str:
    """Measure one probe and its plain way."""
    probe, work = fit(name, task, part)
    ours, cpu = measure(work, clock, time.process_time)
    theirs = sum(measure(lambda way=way: way(task), clock)[0]
                 for way in PLAIN[name])
    predict(probe, task)
    speed = min(measure(lambda: predict(probe, task), clock)[0]
                for _ in range(3))
    sign = '~' if part > 1 and (name in LENGTH or name in SEARCHED) else ''
    return (f'| {name} | {sign}{ours:.3g} | {sign}{cpu:.3g} | '
            f'{"" if name == "GDAProbe" else "~"}{theirs:.3g} | '
            f'{theirs / ours:.2g} | {speed:.2f} |')


if __name__ == '__main__':
    main()
