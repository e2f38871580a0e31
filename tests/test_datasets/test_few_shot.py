"""What all data sets share; one body over the three kinds."""
import random
from collections import Counter
from pathlib import Path

import pytest
from mmcv.transforms import BaseTransform

import dept_mm.datasets  # noqa: F401
from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.structures.vocabulary import Vocabulary

COUNTS = dict(
    ant=(6, 5, 2), bee=(7, 6, 3), cat=(8, 5, 4), dog=(6, 7, 2), eel=(9, 5, 3))


@pytest.fixture
def cfg(make_tree, kind):
    return make_tree(COUNTS, kind)


def build(cfg, **kwargs):
    return DATASETS.build(dict(cfg, **kwargs))


def samples(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [(info['img_path'], info['gt_label']) for info in infos]


def labels(dataset):
    return Counter(label for _, label in samples(dataset))


def test_metainfo_without_samples(cfg):
    meta = build(cfg, pipeline=[], lazy_init=True).metainfo
    assert list(meta['classes']) == sorted(COUNTS)
    assert list(meta['base_classes']) == ['ant', 'bee', 'cat']
    assert meta['template'] == 'a photo of a {}.'


def test_metainfo_does_not_depend_on_the_samples(cfg):
    expected = build(cfg, lazy_init=True).metainfo
    for kwargs in (dict(split='val', task='base'),
                   dict(split='test', task='new'),
                   dict(num_shots=2, seed=3, task='base')):
        assert build(cfg, **kwargs).metainfo == expected
        assert build(cfg, lazy_init=True, **kwargs).metainfo == expected


def test_vocabulary_of_the_config(cfg):
    cfg.update(split='train', task='base', num_shots=2,
               base_classes=['eel', 'bee'], template=['a {}.', 'the {}.'])
    vocabulary = Vocabulary.resolve(cfg)
    assert vocabulary.names == tuple(sorted(COUNTS))
    assert vocabulary.base == ('eel', 'bee')
    assert vocabulary.templates == ('a {}.', 'the {}.')


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_tasks_part_the_samples_and_keep_labels(cfg, split):
    every = samples(build(cfg, split=split))
    base = samples(build(cfg, split=split, task='base'))
    new = samples(build(cfg, split=split, task='new'))
    index = ['train', 'val', 'test'].index(split)
    assert Counter(label for _, label in every) == {
        i: COUNTS[name][index] for i, name in enumerate(sorted(COUNTS))}
    assert base == [s for s in every if s[1] < 3]
    assert new == [s for s in every if s[1] >= 3]
    assert all(Path(path).is_file() for path, _ in every)
    assert all(f'/{split}/{sorted(COUNTS)[label]}/' in path
               for path, label in every)


def test_base_classes_by_name(cfg):
    chosen = build(cfg, base_classes=['eel', 'bee'], task='base')
    assert set(labels(chosen)) == {1, 4}
    rest = build(cfg, base_classes=['eel', 'bee'], task='new')
    assert set(labels(rest)) == {0, 2, 3}
    assert set(labels(build(cfg, base_classes='all', task='base'))) == set(
        range(5))


def test_number_of_shots(cfg):
    assert set(labels(build(cfg, num_shots=3)).values()) == {3}
    # Val keeps at most four, test keeps everything.
    assert set(labels(build(cfg, num_shots=5, split='val')).values()) == {4}
    assert set(labels(build(cfg, num_shots=3, split='val')).values()) == {3}
    assert samples(build(cfg, num_shots=3, split='test')) == samples(
        build(cfg, split='test'))


def test_draw_is_the_public_one(cfg):
    """Straightforward version of the public code's draw."""
    state = random.getstate()
    random.seed(2)
    expected = {}
    for split, shots in (('train', 5), ('val', 4)):
        expected[split] = []
        whole = samples(build(cfg, split=split))
        for label in dict.fromkeys(label for _, label in whole):
            group = [s for s in whole if s[1] == label]
            expected[split] += random.sample(group, shots)
    random.setstate(state)
    for split, drawn in expected.items():
        found = build(cfg, split=split, num_shots=5, seed=2)
        assert samples(found) == drawn
        # One draw over all classes, from which a task takes its part.
        found = build(cfg, split=split, num_shots=5, seed=2, task='new')
        assert samples(found) == [s for s in drawn if s[1] >= 3]
    assert random.getstate() == state
    other = samples(build(cfg, num_shots=5, seed=3))
    assert other != expected['train']


def test_short_classes_are_named_once(cfg, warnings):
    dataset = build(cfg, num_shots=7)
    assert labels(dataset) == {0: 6, 1: 7, 2: 7, 3: 6, 4: 7}
    assert len(warnings) == 1
    assert "'ant' (6 images), 'dog' (6 images)" in warnings[0]
    assert 'bee' not in warnings[0]


def test_no_warning_without_need(cfg, warnings):
    build(cfg, num_shots=6)
    build(cfg, num_shots=7, lazy_init=True)
    build(cfg, num_shots=7, split='val')
    build(cfg, num_shots=7, split='test')
    build(cfg)
    assert warnings == []


def test_many_short_classes_are_cut_short(make_tree, kind, warnings):
    cfg = make_tree({f'c{i:02d}': (1, 0, 0) for i in range(25)}, kind)
    build(cfg, num_shots=2)
    assert "'c19' (1 image) and 5 more" in warnings[0]
    assert 'c20' not in warnings[0]


def test_base_dataset_arguments_work(cfg):
    dataset = build(cfg, indices=3, test_mode=True, pipeline=[
        dict(type='LoadRGBImage')])
    assert len(dataset) == 3
    sample = dataset[0]
    assert sample['img'].shape == (4, 5, 3)
    assert sample['sample_idx'] == 0
    assert dataset.CLASSES == tuple(sorted(COUNTS))
    text = repr(dataset)
    assert 'Split: \ttrain' in text and 'Shots: \tall' in text


def test_metainfo_argument_wins(cfg):
    names = ['Ant', 'Bee', 'Cat', 'Dog', 'Eel']
    meta = dict(classes=names, class_ids=sorted(COUNTS),
                base_classes=['dog'], template='{}')
    dataset = build(cfg, metainfo=meta, task='base')
    assert dataset.metainfo['classes'] == tuple(names)
    assert dataset.metainfo['template'] == '{}'
    assert set(labels(dataset)) == {3}


@pytest.mark.parametrize('kwargs, culprit', [
    (dict(split='valid'), "split='valid'"),
    (dict(task='old'), "task='old'"),
    (dict(num_shots=0), 'num_shots=0'),
    (dict(num_shots=-1), 'num_shots=-1'),
    (dict(num_shots=1.5), 'num_shots=1.5'),
    (dict(num_shots=True), 'num_shots=True'),
    (dict(seed='1'), "seed='1'"),
    (dict(base_classes='third'), "base_classes='third'"),
    (dict(base_classes=['ant', 'yak']), r"not in the class list: \['yak'\]"),
    (dict(base_classes=['ant', 'ant']), r"more than once: \['ant'\]"),
    (dict(task='new', base_classes='all'), "task='new' has no classes"),
    (dict(template='a photo.'), 'a photo.'),
])
def test_bad_options_are_named(cfg, kwargs, culprit):
    with pytest.raises(DeptError, match=culprit):
        build(cfg, **kwargs)


def test_errors_name_the_file(cfg):
    place = Path(cfg['data_root'], cfg.get('ann_file', cfg['data_prefix']))
    with pytest.raises(DeptError) as error:
        build(cfg, base_classes=['yak'])
    assert str(place) in str(error.value)


@pytest.mark.parametrize('lazy_init', [False, True])
def test_wrong_data_root(cfg, tmp_path, lazy_init):
    place = Path(tmp_path, 'no', cfg.get('ann_file', cfg['data_prefix']))
    with pytest.raises(DeptError) as error:
        build(cfg, data_root=str(tmp_path / 'no'), lazy_init=lazy_init)
    assert f'not found: {place}' in str(error.value)
    assert '--cfg-options dataset.data_root=' in str(error.value)


def test_data_root_of_the_user(cfg, monkeypatch):
    root = Path(cfg['data_root'])
    for variable in ('HOME', 'USERPROFILE'):
        monkeypatch.setenv(variable, str(root.parent))
    dataset = build(cfg, data_root=f'~/{root.name}')
    assert samples(dataset) == samples(build(cfg))


def test_class_without_training_images(make_tree, kind):
    counts = dict(ant=(2, 0, 1), bee=(2, 0, 1), cat=(0, 0, 1), dog=(0, 0, 1))
    cfg = make_tree(counts, kind)
    with pytest.raises(DeptError, match=r"training image of 'cat' \(0 images"):
        build(cfg)
    # New classes need no training images.
    assert labels(build(cfg, task='base', num_shots=1)) == {0: 1, 1: 1}
    assert set(labels(build(cfg, split='test', task='new'))) == {2, 3}


def test_empty_split(make_tree, kind):
    cfg = make_tree(dict(ant=(2, 0, 1), bee=(2, 0, 1)), kind)
    with pytest.raises(DeptError, match="no image in split 'val'"):
        build(cfg, split='val')


def test_training_images_that_are_not_drawn_validate(make_tree, kind):
    """Where a data set has no images for it; the draw stays as it is."""
    counts = dict(ant=(7, 0, 1), bee=(3, 0, 1))
    cfg = make_tree(counts, kind)
    train, whole, val = (
        set(samples(build(cfg, **options)))
        for options in (dict(num_shots=2), {},
                        dict(split='val', num_shots=2)))
    assert val < whole - train
    # At most as many as shots, and what is left.
    assert labels(build(cfg, split='val', num_shots=2)) == {0: 2, 1: 1}
    with pytest.raises(DeptError, match="split 'val'.*choose num_shots below"):
        build(cfg, split='val', num_shots=7)


def test_missing_image(cfg):
    dataset = build(cfg, pipeline=[dict(type='LoadRGBImage')])
    path = Path(dataset.get_data_info(1)['img_path'])
    path.unlink()
    assert dataset[0]['img'].shape == (4, 5, 3)
    with pytest.raises(DeptError) as error:
        dataset[1]
    assert f'Image not found: {path}' in str(error.value)


@pytest.mark.parametrize('kind', ['split_file', 'csv'])
@pytest.mark.parametrize('path', ['../../secret.png', 'ant/../../../x.png',
                                  '/etc/secret.png', '../../{root}2/x.png'])
def test_listed_paths_stay_in_the_data(cfg, kind, path):
    """No list has files read that are not of the data set."""
    root = Path(cfg['data_root'])
    path = path.format(root=root.name)
    listed = root / cfg['ann_file']
    text = listed.read_text()
    listed.write_text(text.replace('train/ant/00.png', path))
    with pytest.raises(DeptError) as error:
        build(cfg)
    assert repr(path) in str(error.value) and str(listed) in str(error.value)
    for inside in '../images/train/ant/00.png', 'train/ant/..00.png', str(
            root / 'images/train/ant/00.png'):
        listed.write_text(text.replace('train/ant/00.png', inside))
        assert len(build(cfg)) == len(build(cfg, indices=999)) == 36


def test_without_labels(cfg, tmp_path):
    """Nothing can read them: not the pipeline, not a sampler, not the batch.
    The samples are the same."""
    seen = []

    class Spy(BaseTransform):

        def transform(self, results):
            seen.append(dict(results))
            return results

    dataset = build(cfg, task='new', num_shots=2, labelled=False, pipeline=[
        Spy(), dict(type='LoadRGBImage'), dict(type='PackInputs')])
    labelled = build(cfg, task='new', num_shots=2)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    assert [info['img_path'] for info in infos] == [
        path for path, _ in samples(labelled)]
    packed = [dataset[i]['data_samples'] for i in range(len(dataset))]
    for found in (*infos, *seen, *packed):
        assert not [key for key in found.keys() if 'label' in key]
    with pytest.raises(KeyError):
        dataset.get_cat_ids(0)
    assert dataset.metainfo == labelled.metainfo


def test_any_image_replaces_one_without_label(cfg):
    """There is no class to choose one from."""
    dataset = build(cfg, num_shots=1, labelled=False, pipeline=[
        dict(type='LoadRGBImage'), dict(type='PackInputs')])
    broken = dataset.get_data_info(0)['img_path']
    Path(broken).write_bytes(b'')
    sample = dataset[0]['data_samples']
    assert sample.unreadable == broken != sample.img_path
