"""A run fills the cache, searches, saves and measures."""
import json

import pytest
import torch
from feature_runs import encode, with_steps
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmpretrain import get_model
from torch.nn import functional as F

from dept_mm.datasets.few_shot import FewShotDataset
from dept_mm.engine import TrainingFreeLoop
from dept_mm.engine.hooks._collect import build_validation
from dept_mm.engine.hooks.tip_adapter_hook import TipAdapterHook, search_grid
from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.evaluation import read_result
from dept_mm.models import CLIPHead

CONFIG = 'tip_adapter/quickstart.py'


@pytest.fixture
def free_run(small_run):
    """Tip-Adapter with two shots; a function of options."""
    def make(**options):
        return small_run(CONFIG, **{
            'train_dataloader.dataset.num_shots': 2,
            'model.neck.num_shots': 2, **options})

    return make


@pytest.fixture
def f_run(free_run):
    """A config of Tip-Adapter-F, for one epoch."""
    def make(**options):
        return with_steps(free_run(**{'model.neck.trainable': True,
                                      **options}))

    return make


def fill(cfg):
    """Run the hook alone; return the adapter."""
    cfg.custom_hooks = cfg.custom_hooks[-1:]
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner.model.neck


@pytest.mark.parametrize('workers', [0, 2])
def test_a_run_without_training(free_run, tmp_path, workers):
    cfg = free_run(**{'train_dataloader.num_workers': workers})
    runner = Runner.from_cfg(cfg)
    runner.train()
    neck = runner.model.neck
    image, labels = encode(cfg, 'train')
    # Two images of each class, class by class.
    assert labels == [i // 2 for i in range(32)]
    torch.testing.assert_close(
        neck.keys, F.normalize(image, dim=1).view(16, 2, 16), rtol=1e-4,
        atol=1e-4)
    image, labels = encode(cfg, 'val')
    backbone = runner.model.backbone.eval()
    with torch.no_grad():
        text = backbone(torch.zeros(1, 3, 32, 32)).text[:16]
    logits = backbone.clip.logit_scale * F.cosine_similarity(
        image[:, None], text[None], dim=2)
    searched = neck.alpha.item(), neck.beta.item()
    search_grid(neck, logits, image, torch.tensor(labels), 3., 7.)
    assert searched == (neck.alpha.item(), neck.beta.item()) != (1., 1.)
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert state['state_dict']['neck.alpha'].item() == searched[0]
    assert state['meta']['epoch'] == 1
    rows = read_result(tmp_path)['results']
    assert (rows['tuned']['shapes'].get('new')
            == rows['zero-shot']['shapes'].get('new'))
    model = get_model(cfg, pretrained=str(tmp_path / 'epoch_1.pth'))
    assert torch.equal(model.neck.keys, neck.keys)
    assert model.neck.alpha.item() == searched[0]


def test_keys_are_means_over_different_views(free_run):
    """Workers of one pass must not repeat what those of another drew."""
    cfg = free_run(**{'custom_hooks.1.views': 8,
                      'train_dataloader.num_workers': 2})
    cfg.train_dataloader.dataset.pipeline = [
        *cfg.test_pipeline[:-1], dict(type='RandomFlip', prob=0.5),
        cfg.test_pipeline[-1]]
    keys = fill(cfg).keys.flatten(0, 1)
    plain, flipped = (encode(cfg, 'train', flip)[0] for flip in (0, 1))
    share = torch.arange(9)[:, None, None] / 8  # of views that are flipped
    mixes = F.normalize((1 - share) * plain + share * flipped, dim=2)
    distance = (mixes - keys).norm(dim=2)
    assert (distance.min(0).values < 1e-3).all()
    which = distance.argmin(0)
    assert ((which > 0) & (which < 8)).float().mean() > .8


def test_classes_with_fewer_images(free_run):
    """The last class has one image instead of two."""
    neck = fill(free_run(**{'train_dataloader.dataset.indices': 31}))
    assert neck.count.tolist() == [2] * 15 + [1]
    assert not neck.keys[15, 1].any() and neck.keys[15, 0].any()


def test_keys_learn_then_numbers_are_searched(f_run, tmp_path):
    cfg = f_run()
    cfg.custom_hooks += [dict(type='EMAHook', momentum=0.5)]
    runner = Runner.from_cfg(cfg)
    seen = []
    step = runner.model.train_step

    def spy(*args, **kwargs):
        seen.append((runner.model.neck.alpha.item(),
                     runner.model.neck.keys.detach().clone()))
        return step(*args, **kwargs)

    runner.model.train_step = spy
    runner.train()
    assert len(seen) == 8 and {alpha for alpha, _ in seen} == {1.}
    neck = runner.model.neck
    assert not torch.equal(neck.keys, seen[0][1])
    assert neck.keys.isfinite().all() and neck.alpha != 1
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    # The averaged model is what is deployed; its buffers follow.
    for prefix, part in (('', 'state_dict'), ('module.', 'ema_state_dict')):
        assert state[part][f'{prefix}neck.alpha'] == neck.alpha
        assert state[part][f'{prefix}neck.beta'] == neck.beta


def test_a_filled_cache_is_left_alone(free_run, f_run, tmp_path):
    """Resumed, or the start of Tip-Adapter-F with another draw."""
    Runner.from_cfg(free_run()).train()
    path = str(tmp_path / 'epoch_1.pth')
    keys = torch.load(path, weights_only=True)['state_dict']['neck.keys']
    resumed = Runner.from_cfg(free_run(load_from=path, resume=True))
    resumed.train()
    assert torch.equal(resumed.model.neck.keys, keys)
    cfg = f_run(load_from=path, **{'dataset.seed': 2})
    cfg.optim_wrapper.optimizer.lr = 0.
    tuned = Runner.from_cfg(cfg)
    tuned.train()
    torch.testing.assert_close(tuned.model.neck.keys.data, keys)


def test_it_searches_on_validation_images_of_the_draw(free_run):
    data = build_validation(Runner.from_cfg(free_run()), [], '')
    assert (data.split, data.task, data.num_shots) == ('val', 'base', 2)
    assert {info['img_path'].split('/')[1] for info in (
        data.get_data_info(i) for i in range(len(data)))} == {'val'}


def test_without_search(free_run):
    neck = fill(free_run(**{'custom_hooks.1.search': False,
                            'model.neck.alpha': 2.5}))
    assert (neck.alpha, neck.beta) == (2.5, 1.)
    with pytest.raises(DeptError, match='test_pipeline, or search=False'):
        TipAdapterHook()


def test_no_validation_images(free_run, tmp_path, monkeypatch):
    split = tmp_path / 'split.json'
    split.write_text(json.dumps(dict(
        train=[['a.png', 0, 'cat']], test=[['b.png', 0, 'cat']])))
    cfg = free_run()
    data = dict(type='SplitFileDataset', ann_file=str(split))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset = dict(loader.dataset, **data)
    cfg.model.backbone.vocabulary = cfg.model.neck.vocabulary = data
    with pytest.raises(DeptError, match="split 'val'.*search=False"):
        Runner.from_cfg(cfg).train()
    cfg.train_dataloader.dataset = dict(
        type='CustomDataset', data_root=str(tmp_path))
    with pytest.raises(DeptError, match='CustomDataset has no splits'):
        build_validation(type('Runner', (), dict(cfg=cfg)), [], '')


def test_a_model_without_the_neck(small_run):
    cfg = small_run('coop/quickstart.py')
    cfg.custom_hooks = [dict(type='TipAdapterHook', search=False)]
    with pytest.raises(DeptError, match="no neck=dict.type='TipAdapter'"):
        Runner.from_cfg(cfg).train()


def test_what_is_trainable_must_be_trained(f_run):
    cfg = f_run()
    cfg.train_cfg = dict(type=TrainingFreeLoop.__name__, max_epochs=1)
    with pytest.raises(DeptError, match="'neck.keys'"):
        Runner.from_cfg(cfg).train()


def test_an_untrained_model_is_not_tested(free_run):
    with pytest.raises(DeptError, match='cache of TipAdapter is empty'):
        Runner.from_cfg(free_run()).test()


def test_beside_learned_prompts(free_run):
    """Keys stay, so what is learned is the prompt; then the search."""
    cfg = with_steps(free_run(**{
        'model.backbone.prompt': dict(type='CoOpPrompt', num_tokens=4)}))
    runner = Runner.from_cfg(cfg)
    context = runner.model.backbone.prompt.context.detach().clone()
    runner.train()
    assert not torch.equal(runner.model.backbone.prompt.context, context)
    assert isinstance(runner.model.head, CLIPHead)
    assert runner.model.neck.is_filled and runner.model.neck.alpha != 1


def test_stored_features_have_too_few_views(free_run, tmp_path):
    cfg = free_run()
    cfg.custom_hooks = [
        *cfg.custom_hooks[:-1], dict(cfg.custom_hooks[-1], views=2),
        dict(type='FeatureStoreHook', root=str(tmp_path / 'store'))]
    with pytest.raises(DeptError, match='--cache-features 2'):
        Runner.from_cfg(cfg).train()
    cfg.custom_hooks[-1]['views'] = 2
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.model.neck.is_filled


def test_unreadable_images_are_counted(free_run, monkeypatch):
    """Another of the class stands for it, in each of the views."""
    load, said = FewShotDataset._load_item, []

    def fail(dataset, idx):
        if dataset.split == 'train' and int(idx) == 3:
            raise UnreadableImage('3 is damaged')
        return load(dataset, idx)

    monkeypatch.setattr(FewShotDataset, '_load_item', fail)
    monkeypatch.setattr(MMLogger, 'warning',
                        lambda self, text, *args: said.append(text))
    fill(free_run(**{'custom_hooks.1.views': 2}))
    line, = [text for text in said if 'Tip-Adapter' in text]
    assert line.startswith('Tip-Adapter: 2 samples were replaced')
    assert 'as 1 images cannot be read: plain' in line
    with pytest.raises(DeptError, match='1 training images cannot be read'):
        fill(free_run(**{'default_hooks.unreadable.limit': 0}))
