"""The rows of the benchmark: pieces of work, each done in several ways.

The plain way's sentences do not see each other and all have one length, so
its time, arithmetic and memory are so many times those of one chunk of
classes. That is how it is measured where there are more: the memory of
1,000 whole sentences is more than many machines have.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from _benchmark.case import HOSTS, Case
from _benchmark.measure import Part, Way
from dept_mm.models.utils.kept import keeping_nothing
from dept_mm.structures import ImageFeatures


class Sizes(NamedTuple):
    """How much of the work to run.

    Attributes:
        chunk (int): Classes that the plain way encodes at once.
        images (int): Images of an evaluation.
        batch (int): Images of a test batch.
        sample (int): Images of an evaluation that are run, at once.
    """
    chunk: int = 50
    images: int = 1000
    batch: int = 100
    sample: int = 5


class Ways(NamedTuple):
    """Ways of doing the same work.

    Attributes:
        plain (Way): As public code does it.
        ours (Way): As this package does it.
        stored (Way, optional): Our way with what the feature store holds.
    """
    plain: Way
    ours: Way
    stored: Way | None = None


class Work(NamedTuple):
    """A kind of row.

    Attributes:
        title (str): What the table calls it.
        ways (Callable): ``Case`` and ``Sizes`` to ``Ways``.
        hosts (tuple[str]): The hosts that it tells something about.
    """
    title: str
    ways: Callable[[Case, Sizes], Ways]
    hosts: tuple[str, ...] = tuple(HOSTS)


def train_step(case: Case, sizes: Sizes) -> Ways:
    """Forward, backward and update."""
    plain = [Part(lambda: case.step(case.plain, case.images))]
    if case.classes > sizes.chunk:
        text = case.draw_text()
        plain = [Part(lambda: case.step(case.plain, case.images, text)),
                 *train_text(case, sizes).plain]
    stored = case.store()
    return Ways(plain, [Part(lambda: case.step(case.ours, case.images))],
                stored and [Part(lambda: case.step(case.ours, stored))])


def train_text(case: Case, sizes: Sizes) -> Ways:
    """Forward and backward of the text tower."""
    chunk = min(sizes.chunk, case.classes)
    return Ways(
        [Part(lambda: case.text_step(case.plain.text(case.features, chunk)),
              case.classes / chunk)],
        [Part(lambda: case.text_step(
            case.ours.train().text_features(case.features)))])


def evaluate(case: Case, sizes: Sizes) -> Ways:
    """From images, or their stored features, to scores."""
    case.ours.eval()
    case.head.eval()
    count, share = sizes.sample, sizes.images / sizes.sample
    images, text = case.draw_images(count), case.draw_text(count)
    some, features = map(case.draw_features, (count, sizes.images))
    plain = [Part(lambda: case.predict(case.plain, images, text), share),
             *evaluate_text(case, sizes).plain]
    of_images = Part(lambda: case.predict(case.ours, images), share)
    if case.per_image:
        return Ways(plain, [of_images], [
            Part(lambda: case.predict(case.ours, ImageFeatures(some)), share)])
    once = evaluate_text(case, sizes).ours
    with torch.no_grad():  # kept for all batches, not counted with each
        case.ours.text_features(case.features)
    stored = [*once, Part(lambda: case.predict(
        case.ours, ImageFeatures(features)))]
    return Ways(plain, [*once, of_images],
                stored if case.image_is_frozen else None)


def evaluate_text(case: Case, sizes: Sizes) -> Ways:
    """The text tower's part of an evaluation: the plain way encodes the
    classes in each batch, or for each image."""
    chunk = min(sizes.chunk, case.classes)
    calls = sizes.images / (1 if case.per_image else sizes.batch)

    @torch.no_grad()
    def ours() -> None:
        with keeping_nothing():
            case.ours.eval().text_features(case.features)

    return Ways(
        [Part(torch.no_grad()(lambda: case.plain.text(
            case.features[:1], chunk)), calls * case.classes / chunk)],
        [Part(ours)])


ALONE = ('coop', )  # text towers of all hosts have the same work
WORKS = dict(
    step=Work('step', train_step),
    text=Work('text of a step', train_text, ALONE),
    eval=Work('evaluation', evaluate),
    eval_text=Work('text of an evaluation', evaluate_text, ALONE))
