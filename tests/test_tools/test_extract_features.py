"""Features in files: those that the model would compute, and of one format.
"""
import json
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from mmengine.dataset import default_collate
from mmpretrain import get_model
from PIL import Image
from run_tool import run_tool

from dept_mm import train
from dept_mm.config import apply_options, read_config
from dept_mm.datasets import FeatureDataset
from dept_mm.engine.feature_store import extract
from dept_mm.errors import DeptError
from dept_mm.models import CLIPDataPreprocessor, PromptedCLIP
from dept_mm.models.clip import build_clip, clip_spec
from dept_mm.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs'
ZERO_SHOT = CONFIGS / 'zero_shot/zero-shot_vit-base-p16_caltech101-b2n.py'
DEPT = 'dept/dept-zero-shot_vit-base-p16_16shot_caltech101-b2n.py'
PROBE = 'linear_probe/linear-probe_vit-base-p16_16shot_caltech101-b2n.py'
NAMES = ('ant', 'bee', 'cat', 'dog')


@pytest.fixture
def photos(tmp_path):
    """A file that describes four classes of ten images."""
    rng = np.random.default_rng(0)
    root = tmp_path / 'photos'
    for number in range(4):
        (root / f'n{number}').mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 255, (40, 40, 3), np.uint8)
            pixels[..., number % 3] //= 2
            Image.fromarray(pixels).save(root / f'n{number}/{i}.png')
    (root / 'names.txt').write_text(
        ''.join(f'n{i} {name}\n' for i, name in enumerate(NAMES)))
    path = tmp_path / 'photos.py'
    path.write_text(f"dataset = dict(type='FolderDataset', name='photos', "
                    f"data_root={str(root)!r}, class_file='names.txt', "
                    "template='a drawing of a {}.', seed=2)")
    return path


def options_of(clip):
    return dict({f'{name}_dataloader.num_workers': 0
                 for name in ('train', 'val', 'test')},
                **{f'clip.{k}': v for k, v in clip.items()})


@pytest.fixture
def extract_photos(photos, clip):
    """Run the tool with some options; the folder and what it did."""
    def run(config=ZERO_SHOT, *more, own=clip):
        # An option of the run, which is for a quick trial.
        options = ['test_dataloader.dataset.indices=2', *(
            f'{k}={v}' for k, v in options_of(own).items())]
        out = photos.parent / 'out'
        done = run_tool('extract_features.py', config, '--dataset', photos,
                        '--out', out, *more, '--cfg-options', *options)
        assert done.returncode == 0, done.stderr
        return out

    return run


def test_training_on_them_is_training_on_images(extract_photos, photos, clip):
    """Without augmentation, from the same draw, down to the weights; and
    what was learned is for the CLIP itself, too."""
    out = extract_photos(ZERO_SHOT, '--shard', '7')
    assert sorted(p.name for p in out.iterdir()) == [
        'dataset.py', 'test.safetensors', 'text.safetensors',
        'train.safetensors', 'val.safetensors']
    found = []
    for kind, choices in (('images', dict(dataset=str(photos))), (
            'features', dict(dataset=str(out / 'dataset.py'),
                             clip='features'))):
        cfg = read_config(CONFIGS / DEPT, **choices)
        own = options_of(clip)
        if kind == 'features':
            own = {k: v for k, v in own.items() if 'clip' not in k}
        apply_options(cfg, {
            **own, 'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1,
            'train_dataloader.dataset.num_shots': 2,
            'work_dir': str(out.parent / kind)})
        cfg.train_dataloader.dataset.pipeline = cfg.test_pipeline
        result = train(cfg)
        found.append((cfg, f'{result["work_dir"]}/epoch_1.pth', result))
    (images, first, result), (_, second, other) = found
    # Batches of another size may be summed in another order.
    torch.testing.assert_close(result['results'], other['results'],
                               rtol=1e-5, atol=1e-5)
    assert result['clip']['sha256'] == other['clip']['sha256']
    one, two = (get_model(images, pretrained=path).state_dict()
                for path in (first, second))
    assert all(torch.allclose(one[k].float(), two[k].float(), atol=1e-5)
               for k in one if 'header' not in k)


def test_a_run_goes_on(extract_photos, monkeypatch):
    """What an interrupted run has written is kept."""
    seen, compute = [], extract.compute_features

    def fail(view, *args):
        seen.append(view.split)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return compute(view, *args)

    monkeypatch.setattr(extract, 'compute_features', fail)
    with pytest.raises(KeyboardInterrupt):
        extract_photos(ZERO_SHOT, '--splits', 'train', 'test', '--shard', '8')
    assert seen == [f'train-{i:08d}' for i in (0, 8, 16)]
    out = extract_photos(ZERO_SHOT, '--splits', 'train', 'test', '--shard',
                         '8')
    assert seen[3:] == ['train-00000016', 'test-00000000', 'test-00000008']
    assert not (out / 'parts').exists()
    extract_photos(ZERO_SHOT, '--splits', 'train', 'test', '--shard', '8')
    assert len(seen) == 6


def test_texts_are_those_of_the_config(extract_photos, photos, clip):
    """A file of sentences gives those; identities of classes stay."""
    path = photos.parent / 'cupl.json'
    path.write_text(json.dumps({n: [f'{n}s.', 'x'] for n in NAMES}))
    config = photos.parent / 'sentences.py'
    config.write_text(f'_base_ = {str(ZERO_SHOT)!r}\n'
                      f'model = dict(backbone=dict(sentences={str(path)!r}))')
    out = extract_photos(config, '--splits', 'train', 'test')
    cfg = read_config(ZERO_SHOT, dataset=str(out / 'dataset.py'))
    data = DATASETS.build(dict(cfg.dataset, split='test'))
    assert data.vocabulary.ids == ('n0', 'n1', 'n2', 'n3')
    assert data.vocabulary.names == NAMES
    assert data.vocabulary.templates == ('a drawing of a {}.', )
    built = build_clip(clip)
    texts = built.model.encode_text(built.tokenizer(['bees.', 'x']), True)
    torch.testing.assert_close(data.text_features()[1], texts.mean(0))
    assert data.logit_scale == pytest.approx(float(built.logit_scale))


def test_one_split_is_split_by_class(extract_photos):
    out = extract_photos(ZERO_SHOT, '--splits', 'test')
    cfg = read_config(ZERO_SHOT, dataset=str(out / 'dataset.py'))
    assert len(DATASETS.build(dict(cfg.dataset, split='train'))) == 4 * 2
    assert run_tool('check_dataset.py', out / 'dataset.py').returncode == 0


def test_files_of_the_store_are_of_one_format(small_run):
    """A data set reads what --cache-features has written."""
    cfg = small_run()
    folder = cfg.work_dir + '/store'
    cfg.custom_hooks += [dict(type='FeatureStoreHook', root=folder)]
    train(cfg)
    test, first = sorted(map(str, Path(folder).glob('*.safetensors')))
    data = FeatureDataset(features=dict(train=first, test=test), split='test')
    images = DATASETS.build(cfg.val_dataloader.dataset)
    assert data.vocabulary.names == images.vocabulary.names
    assert data.get_gt_labels().tolist() == images.get_gt_labels().tolist()
    assert data.origin['sha256'] == build_clip(cfg.clip).digest


def test_timm(extract_photos, photos):
    """A tower that knows no texts, for a linear probe on its features."""
    torch.manual_seed(1)
    plain = timm.create_model('test_resnet', num_classes=0).eval()
    weights, tower = photos.parent / 'x.pth', photos.parent / 'tower.py'
    torch.save(plain.state_dict(), weights)
    base = (CONFIGS / '_base_/clip/vit-base-p16.py').read_text()
    options = dict(type='timm', model='test_resnet', pretrained=str(weights))
    tower.write_text(re.sub('clip = .*', f'clip = {options}', base))
    out = extract_photos(CONFIGS / PROBE, '--clip', tower, own={})
    assert sorted(p.name for p in out.iterdir()) == [
        'dataset.py', *(f'{s}.safetensors' for s in ('test', 'train', 'val'))]
    cfg = read_config(CONFIGS / PROBE, dataset=str(photos), clip=str(tower))
    image = DATASETS.build(cfg.test_dataloader.dataset)[3]
    found = CLIPDataPreprocessor(options)(default_collate([image]))
    cfg = read_config(CONFIGS / PROBE, dataset=str(out / 'dataset.py'),
                      clip='features')
    feature = DATASETS.build(cfg.test_dataloader.dataset)[3]['inputs'].feature
    assert len(feature) == clip_spec(cfg.clip).embed_dim == 96
    with torch.no_grad():
        torch.testing.assert_close(feature, plain(found['inputs'])[0])
    with pytest.raises(DeptError, match='no text features'):
        PromptedCLIP(options, NAMES)
    for wrong in (dict(model='resnet0'), dict(pretrained='none.pth')):
        with pytest.raises(DeptError, match='cannot be built.*list_models'):
            build_clip(dict(options, **wrong))
