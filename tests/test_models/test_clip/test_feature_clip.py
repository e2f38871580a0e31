"""A CLIP of which only text features are at hand."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain import get_model
from torch.nn import functional as F

from dept_mm import train
from dept_mm.cli.arguments import cache_features
from dept_mm.config import apply_options, check_config, read_config
from dept_mm.errors import DeptError
from dept_mm.evaluation import accuracy
from dept_mm.models import FeatureCLIP, PromptedCLIP
from dept_mm.models.clip import clip_spec
from dept_mm.registry import DATASETS
from dept_mm.reports.explain import explain
from dept_mm.structures import ImageFeatures, Vocabulary

CONFIGS = Path(__file__).parents[3] / 'configs'
NAMES = ['red_fox', 'cat', 'owl', 'bee']
TEXT = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
KNOWN = dict(zip(NAMES, TEXT, strict=True))


@pytest.fixture
def folder(tmp_path):
    """Features that lie around those of their class."""
    labels = np.arange(80) % 4
    noise = np.random.default_rng(1).normal(size=(80, 8))
    np.save(tmp_path / 'features.npy', TEXT[labels] + 1.5 * noise)
    np.save(tmp_path / 'labels.npy', labels)
    np.save(tmp_path / 'text.npy', TEXT)
    (tmp_path / 'classes.txt').write_text('\n'.join(NAMES))
    return tmp_path


def make_config(leaf, folder, protocol=None, **options):
    cfg = read_config(CONFIGS / leaf, clip='features', dataset='features',
                      protocol=protocol)
    apply_options(cfg, {
        'dataset.data_root': str(folder), 'work_dir': str(folder / 'run'),
        'train_cfg.max_epochs': 1, 'train_cfg.val_interval': 1, **{
            f'{name}_dataloader.num_workers': 0
            for name in ('train', 'val', 'test')}, **options})
    check_config(cfg)
    return cfg


HOST = '_vit-base-p16_16shot_caltech101-b2n.py'


@pytest.mark.parametrize('leaf', [
    f'dept/dept-zero-shot{HOST}', f'dept/dept-clip-adapter{HOST}',
    'tip_adapter/quickstart.py', f'dept/dept-tip-adapter-f{HOST}'])
def test_necks_and_heads_train_on_features(folder, leaf):
    """By the configs for images; what they save is loaded again."""
    cfg = make_config(leaf, folder, **{
        'dataset.text': 'text.npy', 'train_dataloader.batch_size': 4})
    found = train(cfg)
    rows = {k: v['features'] for k, v in found['results'].items()}
    data = torch.from_numpy(np.load(folder / 'features.npy')).float()
    test = [i for i in range(80) if f'row/{i:08d}' in listed(cfg)]
    among = torch.arange(4).view(2, 2)
    scores = F.normalize(data[test]) @ F.normalize(torch.from_numpy(TEXT)).T
    for half, own in zip(('base', 'new'), among, strict=True):
        mine = [j for j, i in enumerate(test) if i % 4 in own]
        best = own[scores[mine][:, own].argmax(1)]
        right = int((best == torch.tensor(test)[mine] % 4).sum())
        assert rows['zero-shot'][half]['correct'] == right
        assert rows['zero-shot'][half]['total'] == len(mine) == 12
    assert rows['tuned']['base']['total'] == 12
    model = get_model(cfg, pretrained=f'{found["work_dir"]}/epoch_1.pth')
    with torch.no_grad():
        assert model.eval()(ImageFeatures(data)).shape == (80, 4)


def listed(cfg):
    """Keys of the test images."""
    data = DATASETS.build(cfg.test_dataloader.dataset)
    return {data.get_data_info(i)['img_path'] for i in range(len(data))}


def test_two_files_and_names(folder):
    """Without text features, a linear probe is measured."""
    cfg = make_config(f'linear_probe/linear-probe{HOST}', folder, **{
        'train_cfg.max_epochs': 3, 'train_cfg.val_interval': 3})
    (folder / 'text.npy').unlink()
    found = train(cfg)['results']
    assert list(found) == ['tuned']
    assert accuracy(found['tuned']['features']['base']) > 60


def test_all_classes_and_a_stored_feature_is_no_image(folder):
    """--cache-features has nothing to do."""
    cfg = make_config(f'dept/dept-zero-shot{HOST}', folder,
                      'few_shot_16shot', **{'dataset.text': 'text.npy'})
    cache_features(cfg, str(folder / 'store'))
    found = train(cfg)['results']['tuned']['features']
    assert list(found) == ['base'] and found['base']['total'] == 24
    assert not (folder / 'store').exists()


def test_texts_are_found_by_name(clip):
    own = FeatureCLIP(KNOWN)
    assert clip_spec(dict(type='features', text=KNOWN)).embed_dim == 8
    backbone = PromptedCLIP(own, Vocabulary(('owl', 'red fox'))).eval()
    feats = backbone(ImageFeatures(torch.randn(2, 8)))
    assert feats.text.tolist() == TEXT[[2, 0]].tolist()
    assert feats.logit_scale == 100
    with pytest.raises(DeptError, match=r"1 of 2 class names, .*\['cow'\]"):
        backbone.set_vocabulary(Vocabulary(('owl', 'cow')))
    for built in (own, clip):
        with pytest.raises(DeptError, match='are 5 wide, those of CLIP'):
            PromptedCLIP(built, NAMES)(ImageFeatures(torch.randn(2, 5)))


def test_names_that_occur_twice(folder):
    """They are told apart by their position in the whole list."""
    data = dict(type='FeatureDataset', data_root=str(folder),
                features='features.npy', labels='labels.npy',
                classes=['crane', 'crane', 'owl', 'bee'], text='text.npy',
                metainfo=dict(class_ids=['n1', 'n2', 'n3', 'n4']))
    backbone = PromptedCLIP(dict(type='features', text=data), data).eval()
    assert backbone.text_features(None).tolist() == TEXT.tolist()


def test_prompts_need_towers(learner):
    with pytest.raises(DeptError, match='has no towers.*--clip'):
        PromptedCLIP(dict(type='features', text=KNOWN), NAMES,
                     learner)


def test_sentences_and_images_need_towers():
    with pytest.raises(DeptError, match='has no towers'):
        PromptedCLIP(FeatureCLIP(KNOWN), NAMES,
                     sentences={name: ['x'] for name in NAMES})
    with pytest.raises(DeptError, match='has no towers'):
        PromptedCLIP(FeatureCLIP(KNOWN), NAMES)(torch.randn(1, 3, 32, 32))


def test_text_prompts_train_beside_features_of_their_clip(clip):
    """An image tower is not needed for them."""
    backbone = PromptedCLIP(clip, NAMES, dict(type='CoOpPrompt'))
    feats = backbone.train()(ImageFeatures(torch.randn(2, 16)))
    feats.text.sum().backward()
    assert backbone.prompt.context.grad.abs().sum() > 0


@pytest.mark.parametrize('options, culprit', [
    (dict(), 'width=None.*are None wide'),
    (dict(text=KNOWN, width=7), 'width=7.*are 8 wide'),
    (dict(text=dict(type='DrawnShapes')), 'DrawnShapes holds no features')])
def test_mistakes(options, culprit):
    with pytest.raises(DeptError, match=culprit):
        FeatureCLIP(**options)


def test_options_are_checked():
    for clip, culprit in ((dict(type='features', txt={}), 'clip.txt'),
                          (dict(nme='RN50'), 'clip.nme'),
                          (dict(type='feature'), 'Did you mean features')):
        with pytest.raises(DeptError, match=culprit):
            check_config(Config(dict(clip=clip, default_scope='mmpretrain')))


def test_explain(folder):
    """There are no tokens to lay out and no tower to count."""
    facts = explain(make_config(f'dept/dept-clip-adapter{HOST}', folder, **{
        'dataset.text': 'text.npy'}))
    assert facts['layout'] == {}
    assert facts['parameters']['learned']
