"""The folders of the field's data sets, as users have them, but tiny."""
from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

SPLITS = dict(train=(1, 2, 3), val=(4, ), test=(5, 6))
# Raw classes in label order, their names, where image n of a class is.
# `split`: the public split file. `lists`: the official text files, of the
# splits in their names' first column, and a line of them.
TREES = dict(
    caltech101=dict(
        prefix='caltech-101/101_ObjectCategories',
        split='caltech-101/split_zhou_Caltech101.json',
        raw=['Faces', 'Motorbikes', 'accordion', 'airplanes'],
        names=['face', 'motorbike', 'accordion', 'airplane'],
        image='{raw}/image_{n:04d}.jpg',
        stray=['BACKGROUND_Google/image_0001.jpg', 'Faces_easy/image_1.jpg',
               'accordion/._image_0001.jpg']),
    pets=dict(
        prefix='oxford_pets/images',
        split='oxford_pets/split_zhou_OxfordPets.json',
        raw=['Abyssinian', 'american_bulldog', 'Bengal', 'saint_bernard'],
        names=['abyssinian', 'american_bulldog', 'bengal', 'saint_bernard'],
        image='{raw}_{n}.jpg', stray=['Abyssinian_1.mat'],
        lists={'oxford_pets/annotations/trainval.txt': 'train val',
               'oxford_pets/annotations/test.txt': 'test'},
        line='{raw}_{n} 1 1 1'),
    cars=dict(
        prefix='stanford_cars',
        split='stanford_cars/split_zhou_StanfordCars.json',
        raw=['000', '001', '002', '003'],
        names=['2000 AM General Hummer SUV', '2012 Acura RL Sedan',
               '2012 Acura TL Sedan', '2008 Acura TL Type-S'],
        image='cars_train/{raw}{n:02d}.jpg'),
    flowers102=dict(
        prefix='oxford_flowers/jpg',
        split='oxford_flowers/split_zhou_OxfordFlowers.json',
        raw=['000', '001', '002', '003'],
        names=['pink primrose', 'sweet pea', "colt's foot", 'desert-rose'],
        image='image_{raw}{n:02d}.jpg'),
    food101=dict(
        prefix='food-101/images', split='food-101/split_zhou_Food101.json',
        raw=['apple_pie', 'baby_back_ribs', 'pad_thai', 'waffles'],
        names=['apple_pie', 'baby_back_ribs', 'pad_thai', 'waffles'],
        image='{raw}/{n}0034.jpg'),
    aircraft=dict(
        prefix='fgvc_aircraft/images',
        raw=['707-320', 'A310', 'BAE 146-200', 'BAE-125'],
        names=['707-320', 'A310', 'BAE 146-200', 'BAE-125'],
        image='{label}{n:06d}.jpg',
        lists={f'fgvc_aircraft/images_variant_{s}.txt': s for s in SPLITS},
        line='{label}{n:06d} {raw}'),
    sun397=dict(
        prefix='sun397/SUN397', split='sun397/split_zhou_SUN397.json',
        raw=['a/abbey', 'a/apse/indoor', 'c/church/outdoor', 'z/zen_garden'],
        names=['abbey', 'indoor apse', 'outdoor church', 'zen_garden'],
        image='{raw}/sun_{n}.jpg',
        lists={'sun397/Training_01.txt': 'train val',
               'sun397/Testing_01.txt': 'test'},
        line='/{raw}/sun_{n}.jpg'),
    dtd=dict(
        prefix='dtd/images',
        split='dtd/split_zhou_DescribableTextures.json',
        raw=['banded', 'lacelike', 'polka-dotted', 'zigzagged'],
        names=['banded', 'lacelike', 'polka-dotted', 'zigzagged'],
        image='{raw}/{raw}_{n:04d}.jpg', stray=['banded/.directory']),
    eurosat=dict(
        prefix='eurosat/2750', split='eurosat/split_zhou_EuroSAT.json',
        raw=['AnnualCrop', 'Forest', 'Highway', 'SeaLake'],
        names=['Annual Crop Land', 'Forest', 'Highway or Road',
               'Sea or Lake'],
        image='{raw}/{raw}_{n}.jpg'),
    ucf101=dict(
        prefix='ucf101/UCF-101-midframes',
        split='ucf101/split_zhou_UCF101.json',
        raw=['ApplyEyeMakeup', 'Hammering', 'HammerThrow', 'YoYo'],
        names=['Apply_Eye_Makeup', 'Hammering', 'Hammer_Throw', 'Yo_Yo'],
        image='{name}/v_{raw}_g0{n}_c01.jpg',
        lists={'ucf101/ucfTrainTestlist/trainlist01.txt': 'train val',
               'ucf101/ucfTrainTestlist/testlist01.txt': 'test'},
        line='{raw}/v_{raw}_g0{n}_c01.avi'))
# WordNet id -> name; two classes share one.
WORDNET = {'n01440764': 'tench', 'n01518878': 'ostrich', 'n02012849': 'crane',
           'n02123045': 'tabby cat', 'n03126707': 'crane',
           'n04311004': 'steel arch bridge'}
# The classes that a variant of ImageNet has, by position, and its images.
IMAGENETS = {
    'imagenet': (range(6), 'imagenet/images/train/{id}/{id}_{n}.JPEG'),
    'imagenet-v2': (range(6), 'imagenetv2/imagenetv2-matched-frequency-'
                    'format-val/{label}/{n}f.jpeg'),
    'imagenet-sketch': (range(6), 'imagenet-sketch/images/{id}/'
                        'sketch_{n}.JPEG'),
    'imagenet-a': ((1, 2, 5), 'imagenet-adversarial/imagenet-a/{id}/{n}.jpg'),
    'imagenet-r': ((0, 4, 5), 'imagenet-rendition/imagenet-r/{id}/'
                   'art_{n}.jpg')}


def make_field(root: Path) -> Path:
    """Write all 15 data sets: six images of each class, three to train and
    two to test."""
    for tree in TREES.values():
        _make(root, **tree)
    for name, (present, image) in IMAGENETS.items():
        ids = sorted(WORDNET)
        for label in present:
            for n in (1, 2, 3):
                _paint(root / image.format(label=label, id=ids[label], n=n))
            if name == 'imagenet':
                for n in (1, 2):
                    _paint(root / 'imagenet/images/val' / ids[label]
                           / f'ILSVRC2012_val_{label}{n}.JPEG')
    (root / 'imagenet-rendition/imagenet-r/README.txt').touch()
    (root / 'imagenet/classnames.txt').write_text(
        ''.join(f'{key} {name}\n' for key, name in reversed(WORDNET.items())))
    return root


def _make(root: Path, prefix: str, raw: list[str], names: list[str],
          image: str, split: str | None = None, lists: dict | None = None,
          line: str = '', stray: list[str] = ()) -> None:
    """Images, the public split file and the official lists."""
    content = {s: [] for s in SPLITS}
    lines = {s: [] for s in SPLITS}
    for label, (key, name) in enumerate(zip(raw, names, strict=True)):
        for s, numbers in SPLITS.items():
            for n in numbers:
                facts = dict(raw=key, name=name, label=label, n=n)
                path = image.format(**facts)
                _paint(root / prefix / path, label)
                content[s].append([path, label, name])
                lines[s].append(line.format(**facts))
    for path in stray:
        _paint(root / prefix / path)
    if split:
        (root / split).write_text(json.dumps(content))
    for path, splits in (lists or {}).items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text('\n'.join(
            text for s in splits.split() for text in lines[s]) + '\n')


def _paint(path: Path, label: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in ('.jpg', '.jpeg'):
        Image.new('RGB', (40, 36), (50 * label, 99, 0)).save(path, 'JPEG')
    else:
        path.touch()
