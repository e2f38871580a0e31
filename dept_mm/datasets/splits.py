"""The items of a data set, and who gets to see which of them."""
from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_VAL_SHOTS = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One image.

    Args:
        path (str): Path below the image folder.
        label (int): Index into the class list.
    """
    path: str
    label: int


@dataclass(frozen=True)
class Splits:
    """A whole data set.

    Args:
        classes (list[str]): Class names in label order.
        train (list[Item]): Images to tune on.
        val (list[Item]): Images to choose settings with; may be empty.
        test (list[Item]): Images to measure on.
        class_ids (list[str], optional): Identities in label order, where the
            files have other ones than the names.
    """
    classes: list[str]
    train: list[Item]
    val: list[Item]
    test: list[Item]
    class_ids: list[str] | None = None


def group_by_label(items: Iterable[Item]) -> dict[int, list[Item]]:
    """Items per label; labels in order of first appearance."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    return groups


def draw_shots(items: Iterable[Item], num_shots: int,
               seed: int | random.Random) -> list[Item]:
    """Draw ``num_shots`` images of every class, without repetition.

    Bit-equal to ``generate_fewshot_dataset`` of Dassl, on which the public
    code of CoOp and DePT rests, after ``random.seed(seed)``: the calls of
    ``random.sample``, their order and their arguments are the same, and a
    class with fewer images gives all it has without drawing.

    Args:
        items (Iterable[Item]): Images; their order matters.
        num_shots (int): Images per class.
        seed (int | random.Random): A seed, or a generator to go on with.
            Python's global generator is never touched.

    Returns:
        list[Item]: The drawn images, class by class.
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    drawn: list[Item] = []
    for group in group_by_label(items).values():
        if len(group) >= num_shots:
            group = rng.sample(group, num_shots)
        drawn.extend(group)
    return drawn


def draw_few_shot(splits: Splits, num_shots: int, seed: int) -> Splits:
    """The few-shot version of a data set: all of its classes, one draw.

    Train is drawn first, then val from the same random stream, with at most
    ``MAX_VAL_SHOTS`` images per class, as in the public code; test stays
    whole. Base, new and all classes are filtered out of this one draw.
    """
    rng = random.Random(seed)
    train = draw_shots(splits.train, num_shots, rng)
    val = draw_shots(splits.val, min(num_shots, MAX_VAL_SHOTS), rng)
    return replace(splits, train=train, val=val)


def split_by_class(classes: list[str], items: Iterable[Item]) -> Splits:
    """Split a data set that comes without splits: 50 % train, 20 % val,
    30 % test.

    The rule, per class: sort the paths, shuffle them with
    ``random.Random(0)``, take the first ``round(n / 2)`` for train, the next
    ``round(n / 5)`` for val, the rest for test. The proportions are those of
    CoOp's own splits. One image goes to train, two to train and test. As
    the generator starts anew in every class, an image added to one class
    moves no image of another.

    Args:
        classes (list[str]): Class names in label order.
        items (Iterable[Item]): Images in any order.

    Returns:
        Splits: Items in label order, sorted by path within a class.
    """
    splits = Splits(classes, [], [], [])
    for _, group in sorted(group_by_label(items).items()):
        group = sorted(group, key=lambda item: item.path)
        order = list(range(len(group)))
        random.Random(0).shuffle(order)
        train = max(1, round(len(group) / 2))
        # Test comes before val: three images are 2 / 0 / 1.
        val = max(0, min(round(len(group) / 5), len(group) - train - 1))
        for part, chosen in ((splits.train, order[:train]),
                             (splits.val, order[train:train + val]),
                             (splits.test, order[train + val:])):
            part.extend(group[i] for i in sorted(chosen))
    return splits
