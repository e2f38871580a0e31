"""Features of OpenAI's CLIP, where they are beside the repository."""
from pathlib import Path

import numpy as np
import pytest
import torch

from dept_mm.datasets import FeatureDataset
from dept_mm.models import CLIPHead, FeatureCLIP, PromptedCLIP
from dept_mm.structures import ImageFeatures

FOLDER = Path(__file__).parents[2] / 'shared/real_features'


@pytest.mark.skipif(not FOLDER.is_dir(), reason='there are no features')
def test_zero_shot():
    """Model and data set count what four lines of numpy count."""
    file = 'aircraft_vit-b-16.npz'
    options = dict(
        data_root=str(FOLDER), features=f'{file}:image',
        labels=f'{file}:label', text=f'{file}:text',
        classes=[f'aircraft {i}' for i in range(100)])
    data = [FeatureDataset(**options, split=split)
            for split in ('train', 'val', 'test')]
    images = torch.stack([d[i]['img'] for d in data for i in range(len(d))])
    labels = np.array([y for d in data for y in d.get_gt_labels()])
    clip = FeatureCLIP(dict(type='FeatureDataset', **options))
    model = PromptedCLIP(clip, data[0].vocabulary).eval()
    logits = CLIPHead()(model(ImageFeatures(images))).numpy()
    raw = np.load(FOLDER / file)
    image, text = (raw[name].astype(np.float64) for name in ('image', 'text'))
    plain = image @ (text / np.linalg.norm(text, axis=1, keepdims=True)).T
    assert right(logits, labels) == right(plain, raw['label'])
    # A quarter and more, where chance is 2 %.
    assert min(right(logits, labels)) > .25 * 1666


def right(logits, labels):
    """How many images of each half are right among the classes of it."""
    return [int((logits[mine, first:first + 50].argmax(1) + first
                 == labels[mine]).sum()) for first in (0, 50)
            if (mine := labels // 50 == first // 50).any()]
