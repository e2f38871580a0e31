"""The data sets of the field, in the folders that users have."""
import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, read_result
from dept_mm.models import CLIPHead, DePTHead
from dept_mm.registry import DATASETS
from dept_mm.reports.summary import build_table, group_results
from dept_mm.structures import CLIPFeatures, Vocabulary

ROOT = Path(__file__).parents[2]
LEAF = 'dept/dept-coop_vit-base-p16_16shot_'
spec = importlib.util.spec_from_file_location(
    'field_trees', ROOT / 'tests/field_trees.py')
field = importlib.util.module_from_spec(spec)
spec.loader.exec_module(field)
PUBLIC = [name for name, tree in field.TREES.items() if 'split' in tree]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """All data sets, with split files."""
    return field.make_field(tmp_path_factory.mktemp('data'))


def config(name, root, **kwargs):
    path = ROOT / f'configs/_base_/datasets/{name}.py'
    return dict(Config.fromfile(path).dataset, data_root=str(root), **kwargs)


def build(name, root, **kwargs):
    return DATASETS.build(config(name, root, **kwargs))


@pytest.mark.parametrize('split', field.SPLITS)
@pytest.mark.parametrize('name', field.TREES)
def test_layout(name, split, root):
    tree = field.TREES[name]
    dataset = build(name, root, split=split)
    assert dataset.vocabulary.names == tuple(tree['names'])
    assert dataset.vocabulary.base == tuple(tree['names'][:2])
    found = {(info['img_path'], info['gt_label'])
             for info in map(dataset.get_data_info, range(len(dataset)))}
    assert found == {
        (str(root / tree['prefix'] / tree['image'].format(
            raw=raw, name=label_name, label=label, n=n)), label)
        for label, (raw, label_name) in enumerate(
            zip(tree['raw'], tree['names'], strict=True))
        for n in field.SPLITS[split]}
    assert all(Path(path).is_file() for path, _ in found)


@pytest.mark.parametrize('name', PUBLIC)
def test_without_the_split_file(name, root, tmp_path, warnings):
    tree = field.TREES[name]
    copy = Path(shutil.copytree(root / tree['prefix'].split('/')[0],
                                tmp_path / tree['prefix'].split('/')[0]))
    (tmp_path / tree['split']).unlink()
    if name in ('cars', 'flowers102'):  # MATLAB files
        with pytest.raises(DeptError, match='Split file not found'):
            build(name, tmp_path)
        return
    dataset = build(name, tmp_path)
    splits = dataset.read()
    assert splits.classes == tree['names']
    # Six images of a class: the official test list and the rest, or 3/1/2.
    sizes = (16, 0, 8) if 'lists' in tree else (12, 4, 8)
    assert (len(splits.train), len(splits.val), len(splits.test)) == sizes
    items = splits.train + splits.val + splits.test
    assert len({item.path for item in items}) == 24
    public = json.loads((root / tree['split']).read_text())
    label_of = {path: label for s in public for path, label, _ in public[s]}
    assert {i.path: i.label for i in items} == label_of
    if 'lists' in tree:
        assert {i.path for i in splits.test} == {
            path for path, _, _ in public['test']}
    assert len(warnings) == 1 and 'cannot be compared' in warnings[0]
    assert str(copy) in warnings[0]


@pytest.mark.parametrize('name', field.IMAGENETS)
def test_imagenet_and_its_variants(name, root):
    present, image = field.IMAGENETS[name]
    ids = [sorted(field.WORDNET)[i] for i in present]
    dataset = build(name, root, split='test', base_classes='all')
    assert dataset.vocabulary.ids == dataset.vocabulary.base == tuple(ids)
    assert dataset.vocabulary.names == tuple(field.WORDNET[i] for i in ids)
    found = [(info['img_path'], info['gt_label']) for info in map(
        dataset.get_data_info, range(len(dataset)))]
    if name == 'imagenet':
        expected = [(f'imagenet/images/val/{ids[c]}/ILSVRC2012_val_{c}{n}'
                     '.JPEG', c) for c in range(6) for n in (1, 2)]
    else:
        expected = [(image.format(label=c, id=ids[row], n=n), row)
                    for row, c in enumerate(present) for n in (1, 2, 3)]
    assert found == [(str(root / path), label) for path, label in expected]


def test_imagenet_is_listed_only_where_it_must_be(root, monkeypatch):
    """1.3 million names take a while: not for the class list."""
    import dept_mm.datasets.folder as module
    listed = []
    original = module._list_items
    monkeypatch.setattr(module, '_list_items', lambda *args: (
        listed.append(args[1]), original(*args))[1])
    Vocabulary.resolve(config('imagenet', root))
    assert listed == []
    build('imagenet', root, split='test')
    assert listed == ['val']
    assert len(build('imagenet', root, num_shots=2)) == 12


def test_rows_of_imagenet_a_by_wordnet_id(root):
    """The public rule: a mask over the sorted ids of classnames.txt picks
    the rows of the ids that have a folder; softmax over those alone."""
    head = DePTHead(config('imagenet', root, base_classes='all'),
                    in_channels=8)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    image = torch.randn(4, 8)
    text = torch.randn(6, 8)
    folders = set(p.name for p in (
        root / 'imagenet-adversarial/imagenet-a').iterdir() if p.is_dir())
    lines = (root / 'imagenet/classnames.txt').read_text().splitlines()
    mask = np.array([line.split()[0] in folders for line in sorted(lines)])
    assert mask.sum() == 3 and not mask[0]
    f, t = image.double().numpy(), text.double().numpy()[mask]
    s = 50 * (f / np.linalg.norm(f, axis=1, keepdims=True)) @ (
        t / np.linalg.norm(t, axis=1, keepdims=True)).T
    g = head.image_transform
    x = g.scale.detach().numpy() * f + g.bias.detach().numpy()
    w = head.linear.weight.detach().double().numpy()[mask]
    b = head.linear.bias.detach().double().numpy()[mask]
    expected = .3 * s + .7 * (x @ w.T + b)
    ids = build('imagenet-a', root, split='test').vocabulary.ids
    feats = CLIPFeatures(text[torch.from_numpy(mask)], torch.arange(3), ids,
                         torch.tensor(50.), None, None, None, image)
    np.testing.assert_allclose(head(feats).detach().numpy(), expected,
                               rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('namespace', [None, 'shop'])
def test_equal_names_of_other_data_sets(root, namespace):
    """'accordion' elsewhere is another class once a namespace says so."""
    head = DePTHead(config('caltech101', root, base_classes='all'),
                    in_channels=8)
    other = build('caltech101', root, namespace=namespace,
                  base_classes=['accordion', 'face'])
    assert other.vocabulary.base_labels == [2, 0]
    feats = CLIPFeatures(torch.randn(4, 8), torch.arange(4),
                         other.vocabulary.ids, torch.tensor(50.), None,
                         None, None, torch.randn(3, 8))
    same = torch.equal(head(feats), CLIPHead()(feats))
    assert same == (namespace is not None)
    assert len(build('caltech101', root, namespace=namespace, task='new',
                     base_classes=['accordion'], split='test')) == 6


def table_of(folder):
    """What `tools/summarize.py` makes of a run."""
    (key, methods), = group_results(find_results([folder])).items()
    return build_table(*key, methods)


@pytest.mark.parametrize('name', [*field.TREES, 'imagenet'])
def test_base_to_new_run(name, root, small_run, tmp_path):
    cfg = small_run(LEAF + 'caltech101-b2n.py')
    for loader in ('train', 'val', 'test'):
        place = cfg[f'{loader}_dataloader'].dataset
        for key in ('ann_file', 'fallback'):
            place.pop(key)
        place.update(config(name, root))
    cfg.model.backbone.vocabulary = cfg.model.head.vocabulary = config(
        name, root)
    Runner.from_cfg(cfg).train()
    result = read_result(tmp_path)
    half = 6 if name == 'imagenet' else 4
    for row in result['results'].values():
        counts, = row.values()
        assert [counts[h]['total'] for h in ('base', 'new')] == [half, half]
    assert table_of(tmp_path).columns == [name]


@pytest.mark.parametrize('method', ['dept/dept-coop', 'coop/coop'])
@pytest.mark.parametrize('protocol, others, total', [
    ('cross_dataset', list(field.TREES), [8] * 10),
    ('domain_generalization', list(field.IMAGENETS)[1:], [18, 18, 9, 9])])
def test_one_to_many_run(method, protocol, others, total, root, small_run,
                         tmp_path):
    cfg = small_run(
        f'{method}_vit-base-p16_16shot_caltech101-b2n.py',
        dict(dataset='imagenet', protocol=f'{protocol}_16shot'),
        **{'dataset.data_root': str(root)})
    runner = Runner.from_cfg(cfg)
    runner.train()
    for row in read_result(tmp_path)['results'].values():
        assert list(row) == ['imagenet', *others]
        assert [c['base']['total'] for c in row.values()] == [12, *total]
    assert table_of(tmp_path).averaged == sorted(others)
    log, = (path.read_text() for path in tmp_path.glob('*/*.log'))
    table = log[log.index('Top-1 accuracy'):].splitlines()[1:]
    assert table[0].split() == ['all']
    assert [line.split()[0] for line in table[3::2][:len(others) + 1]] == [
        *others, 'average']
    own = set(runner.model.backbone.vocabulary.ids)
    assert own == set(field.WORDNET)
    for prefix, (loader, _) in runner.val_loop.parts.items():
        ids = loader.dataset.vocabulary.ids
        if prefix == '' or protocol == 'domain_generalization':
            assert set(ids) <= own
        else:
            assert all(key.startswith(prefix) for key in ids)


@pytest.mark.parametrize('protocol', [
    'few_shot', 'generalized_base_to_new'])
@pytest.mark.parametrize('method', ['dept/dept-coop', 'coop/coop'])
def test_other_protocols_of_one_data_set(method, protocol, root, small_run,
                                          tmp_path):
    cfg = small_run(f'{method}_vit-base-p16_16shot_caltech101-b2n.py',
                    dict(protocol=f'{protocol}_16shot'),
                    **{'dataset.data_root': str(root)})
    runner = Runner.from_cfg(cfg)
    runner.train()
    row, = read_result(tmp_path)['results']['tuned'].values()
    total = {half: counts['total'] for half, counts in row.items()}
    generalized = protocol != 'few_shot'
    (key, _), = group_results(find_results([tmp_path])).items()
    assert key[0] == ('gb2n' if generalized else 'fewshot')
    if generalized:
        assert runner.val_evaluator.metrics[0].generalized
        assert total == dict(base=4, new=4)
    else:
        assert total == dict(base=8)
        assert len(runner.train_dataloader.dataset) == 4  # one of each
    rows = 2 if generalized else 4
    if method.startswith('dept'):
        assert runner.model.head.linear.out_features == rows


@pytest.mark.parametrize('options, culprit', [
    (dict(folders=dict(testing='')), "names ['testing']"),
    (dict(class_file=None, numbered=True), "needs a 'class_file'"),
    (dict(class_file='nope.txt'), 'Class file not found')])
def test_mistakes_with_folders(root, options, culprit):
    with pytest.raises(DeptError) as error:
        build('imagenet-v2', root, split='test', **options)
    assert culprit in str(error.value)


@pytest.mark.parametrize('content, culprit', [
    ('n01440764 tench\n', 'class folders are not in'),
    ('n01440764\n', 'line 1'), ('n1 a\n\nn1 b\n', 'line 3')])
def test_mistakes_in_class_files(root, tmp_path, content, culprit):
    path = tmp_path / 'names.txt'
    path.write_text(content)
    with pytest.raises(DeptError, match=culprit):
        build('imagenet-sketch', root, split='test', class_file=str(path))


@pytest.mark.parametrize('options, culprit', [
    (dict(pattern='.+'), 'has no group'),
    (dict(pattern=r'(?P<label>\d+)/.+'), 'no path or line matches|not match'),
    (dict(lists=dict(train='nope.txt')), 'List of train images not found')])
def test_mistakes_with_patterns(root, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        build('aircraft', root, **options)


def test_links_between_folders(tmp_path):
    """One to a folder above is no way to the same images again."""
    for name in ('cat', 'dog'):
        (tmp_path / name).mkdir()
        (tmp_path / name / f'1_{name}.png').touch()
    (tmp_path / 'cat/up').symlink_to('..')
    (tmp_path / 'more').symlink_to(tmp_path / 'dog')
    splits = DATASETS.build(dict(
        type='PathPatternDataset', data_root=str(tmp_path), pipeline=[],
        pattern=r'.*_(?P<label>\w+)\.png', lazy_init=True)).read()
    assert sorted(item.path for item in splits.train + splits.test) == [
        'cat/1_cat.png', 'dog/1_dog.png', 'more/1_dog.png']
