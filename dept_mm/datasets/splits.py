"""Split the images of a data set, and draw few-shot training sets."""
from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

MAX_VAL_SHOTS = 4


@dataclass(frozen=True, slots=True)
class Item:
    """One image and its label.

    Args:
        path (str): Path relative to the image folder.
        label (int): Index into the class list.
    """
    path: str
    label: int


@dataclass(frozen=True)
class Splits:
    """The class names and the images of all splits of a data set.

    Args:
        classes (list[str]): Class names in label order.
        train (list[Item]): Images to tune on.
        val (list[Item]): Images to choose settings with; may be empty.
        test (list[Item]): Images to measure on.
        class_ids (list[str], optional): Identities of the classes in label
            order, where they differ from the names.
    """
    classes: list[str]
    train: list[Item]
    val: list[Item]
    test: list[Item]
    class_ids: list[str] | None = None


def group_by_label(items: Iterable[Item]) -> dict[int, list[Item]]:
    """Group items by label; labels keep the order of first appearance."""
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(item.label, []).append(item)
    return groups


def draw_shots(items: Iterable[Item], num_shots: int,
               seed: int | random.Random) -> list[Item]:
    """Draw ``num_shots`` images of every class, without repetition.

    The result equals that of ``generate_fewshot_dataset`` after
    ``random.seed(seed)``. This function belongs to Dassl, which the public
    code of CoOp and DePT is built on. ``random.sample`` is called in the same
    order with the same arguments, and a class with fewer images contributes
    all of them without a call.

    Args:
        items (Iterable[Item]): Images; their order matters.
        num_shots (int): Number of images per class.
        seed (int | random.Random): A seed, or a generator to continue.
            Python's global generator is never used.

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
    """Draw shots of all classes from the train and val splits.

    As in the public code, train is drawn first, then val from the same random
    stream with at most ``MAX_VAL_SHOTS`` images per class; test stays whole.
    The tasks 'base', 'new' and 'all' select from this one draw.

    Args:
        splits (Splits): The whole data set.
        num_shots (int): Number of training images per class.
        seed (int): Seed of the draw.

    Returns:
        Splits: The data set with the drawn train and val images.
    """
    rng = random.Random(seed)
    train = draw_shots(splits.train, num_shots, rng)
    val = draw_shots(splits.val, min(num_shots, MAX_VAL_SHOTS), rng)
    return replace(splits, train=train, val=val)


def hold_out(splits: Splits, num_shots: int, seed: int) -> Splits:
    """Let training images that are not drawn be validation images.

    This is for data sets without validation images, such as ImageNet. The
    draw of training images stays as it is; others keep their validation.

    Args:
        splits (Splits): The whole data set.
        num_shots (int): Number of training images per class.
        seed (int): Seed of the draw.
    """
    if splits.val:
        return splits
    drawn = set(draw_shots(splits.train, num_shots, seed))
    return replace(splits,
                   val=[item for item in splits.train if item not in drawn])


def split_by_class(classes: list[str], items: Iterable[Item]) -> Splits:
    """Split a data set without splits into 50 % train, 20 % val, 30 % test.

    These are the proportions of CoOp's own splits. In each class of ``n``
    images, the paths are sorted and shuffled with ``random.Random(0)``. The
    first ``round(n / 2)`` become train, the next ``round(n / 5)`` val, and
    the rest test. A single image becomes train, two become train and test.
    Because the generator is seeded again for every class, an image added to
    one class does not move the images of another.

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
        # Test has precedence over val: three images are split 2 / 0 / 1.
        val = max(0, min(round(len(group) / 5), len(group) - train - 1))
        for part, chosen in ((splits.train, order[:train]),
                             (splits.val, order[train:train + val]),
                             (splits.test, order[train + val:])):
            part.extend(group[i] for i in sorted(chosen))
    return splits
