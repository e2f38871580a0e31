"""Checks of a data set before training: counts, files and class names."""
from __future__ import annotations

import json
import os
import os.path as osp
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.models import ImageClassifier
from open_clip import SimpleTokenizer
from torch.utils.data import DataLoader

from dept_mm.datasets import FewShotDataset, LoadRGBImage, Splits
from dept_mm.datasets.few_shot import SPLITS
from dept_mm.errors import DeptError
from dept_mm.models import CLIPDataPreprocessor, CLIPHead, PromptedCLIP
from dept_mm.registry import DATASETS
from dept_mm.structures import Vocabulary

# Positions of CLIP's text tower without start, end and 16 learned tokens.
MAX_TOKENS = 77 - 2 - 16


def read_expected_counts(name: str) -> dict[str, int]:
    """Return the published numbers of classes and images of a benchmark data
    set.

    Args:
        name (str): Name of its config in ``configs/_base_/datasets``.

    Returns:
        dict: ``classes``, ``train``, ``val``, ``test`` and, for base-to-new
        data sets, ``base_test`` and ``new_test``; empty for other data sets.
    """
    table = files('dept_mm') / 'assets' / 'dataset_counts.json'
    return json.loads(table.read_text(encoding='utf-8')).get(name, {})


def read_dataset(cfg: Mapping) -> tuple[FewShotDataset, Splits]:
    """Build a data set of this package and list all of its images.

    Raises:
        DeptError: If it is another data set, or if its files cannot be listed.
    """
    dataset = DATASETS.build(dict(cfg, pipeline=[], lazy_init=True))
    if not isinstance(dataset, FewShotDataset):
        raise DeptError(f'{type(dataset).__name__} is not a data set of this '
                        'package; only those can be checked.')
    return dataset, dataset.read()


def count_images(dataset: FewShotDataset, splits: Splits) -> dict[str, int]:
    """Count classes and images.

    Returns:
        dict: The counts under the names of :func:`read_expected_counts`.
    """
    base = set(dataset.vocabulary.base_labels)
    in_base = sum(item.label in base for item in splits.test)
    return dict(
        classes=len(splits.classes),
        **{split: len(getattr(splits, split)) for split in SPLITS},
        base_test=in_base, new_test=len(splits.test) - in_base)


def find_repeated(splits: Splits) -> list[str]:
    """Return images that are in two splits, or twice in one."""
    seen = Counter(item.path for split in SPLITS
                   for item in getattr(splits, split))
    return [path for path, number in seen.items() if number > 1]


def find_faulty_files(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Decode every image, several at a time.

    Returns:
        tuple[list[str], list[str]]: Paths of missing files, and the error
        messages of files that cannot be read.
    """
    load = LoadRGBImage()

    def find_fault(path: str) -> str | None:
        try:
            load(dict(img_path=path))
        except DeptError as error:
            return str(error)
        return None

    paths = list(paths)
    # Threads suffice: decoders release the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = {path: text for path, text in
                  zip(paths, pool.map(find_fault, paths), strict=True) if text}
    missing = [path for path in faults if not osp.isfile(path)]
    return missing, [t for path, t in faults.items() if path not in missing]


def find_odd_names(vocabulary: Vocabulary) -> dict[str, list[str]]:
    """Find class names that a text tower may misunderstand.

    Returns:
        dict: What is odd, mapped to the class names in label order.
    """
    names, encode = vocabulary.names, SimpleTokenizer().encode
    alike = defaultdict(set)
    for name in names:
        # e.g. 'T-Shirts' and 't shirt'
        alike[re.sub(r'\W|_', '', name.casefold()).rstrip('s')].add(name)
    longest = max(vocabulary.templates, key=len)
    found = {
        'empty': [n for n in names if not n.strip(' _')],
        'more than once': [n for n, k in Counter(names).items() if k > 1],
        'nearly equal': [' = '.join(sorted(group)) for group in
                         alike.values() if len(group) > 1],
        'numbers': [n for n in names if n.strip().isdigit()],
        'spaces around': [n for n in names if n.strip() not in ('', n)],
        'too long for 77 tokens with 16 learned ones': [
            n for n in names if len(encode(
                longest.replace('{}', n.replace('_', ' ')))) > MAX_TOKENS],
        'underscores (become spaces)': [n for n in names if '_' in n],
    }
    return {what: group for what, group in found.items() if group}


@torch.no_grad()
def measure_zero_shot(cfg: Mapping, clip: Mapping, images: int = 2000
                       ) -> tuple[float, int]:
    """Measure the accuracy of a CLIP without learned prompts, among all
    classes.

    Args:
        cfg (Mapping): Config of the data set.
        clip (Mapping): Config of the CLIP.
        images (int): Number of test images to use, evenly spread over the
            split.

    Returns:
        tuple[float, int]: Accuracy in per cent, and the number of images.
    """
    pipeline = [dict(type='LoadRGBImage'),
                dict(type='CLIPResizeCenterCrop', clip=clip),
                dict(type='PackInputs')]
    dataset = DATASETS.build(dict(cfg, split='test', pipeline=pipeline,
                                  test_mode=True))
    if len(dataset) > images:
        picked = np.linspace(0, len(dataset) - 1, images).round().astype(int)
        dataset.get_subset_(picked.tolist())
    model = ImageClassifier(
        backbone=PromptedCLIP(clip, dataset.vocabulary), head=CLIPHead(),
        data_preprocessor=CLIPDataPreprocessor(clip)).eval()
    model.to('cuda' if torch.cuda.is_available() else 'cpu')
    loader = DataLoader(dataset, batch_size=50, collate_fn=pseudo_collate)
    right = [bool((sample.pred_label == sample.gt_label).all())
             for batch in loader for sample in model.val_step(batch)]
    return 100 * float(np.mean(right)), len(right)
