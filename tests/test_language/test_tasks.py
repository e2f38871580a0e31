"""Every known task, read from its published layout and as ``datasets`` gives
it, and what T5 is asked, against the papers' public code."""
import gzip
import json
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from dept_mm.errors import DeptError
from dept_mm.language import Task, TextDataset
from dept_mm.language.hub import SPLITS
from dept_mm.language.layouts import mark_span, pad_punctuation
from dept_mm.language.presets import TASKS

TESTS = Path(__file__).parents[1]
DATASETS = TESTS.parent / 'configs/_base_/language/datasets'
# A new task needs an entry with its name: the lines of its training file; the
# rows of the library, if the task is on the Hub; its texts and answers.
SAMPLES = json.loads((TESTS / 'data/text_tasks.json').read_text('utf-8'))
PUBLIC = json.loads(
    (TESTS / 'data/reference/text_sources.json').read_text('utf-8'))


def publish(name, root, split='train'):
    """Write the sample lines of a task as its file; returns the folder."""
    path = root / TASKS[name]['files'][split]
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = '\n'.join(SAMPLES[name]['lines']) + '\n'
    pack = gzip.compress if path.suffix == '.gz' else bytes
    path.write_bytes(pack(lines.encode()))
    return str(root)


def describe(dataset):
    """The texts of each sample, and its answer in words."""
    found = []
    for one in dataset:
        sample = one['data_samples']
        if 'gt_label' in sample:
            answer = dataset.task.classes[int(sample.gt_label)]
        else:
            answer = (sample.gt_texts[0] if 'gt_texts' in sample else
                      sample.gt_value)
        found.append([list(one['inputs'].values()), answer])
    return found


@pytest.fixture
def library(monkeypatch):
    """A stand-in for ``datasets`` that notes what it is asked for."""
    fake = SimpleNamespace(asked=[], rows=[])
    fake.load_dataset = lambda path, name=None, split=None: (
        fake.asked.append((path, name, split)) or fake.rows)
    monkeypatch.setitem(sys.modules, 'datasets', fake)
    return fake


@pytest.mark.parametrize('name', TASKS)
def test_task(name, tmp_path, library):
    sample, task = SAMPLES[name], Task.resolve(name)
    root = publish(name, tmp_path)
    read = describe(TextDataset(name, data_root=root))
    assert read == sample['expected']
    publish(name, tmp_path, 'val')
    assert len(TextDataset(name, 'val', data_root=root)) > 0
    assert Config.fromfile(DATASETS / f'{name}.py').dataset.task == name
    if task.classes:
        assert len(task.words) == len(task.classes)
        assert '{mask}' in task.template
        assert not (task.causal or 'x').startswith('{mask}')
    if task.hub:
        library.rows = sample['rows']
        found = describe(TextDataset(name, source='hub'))
        assert found and found == read[:len(found)]
        splits = task.hub.get('splits', SPLITS)
        assert library.asked == [(task.hub['path'], task.hub.get('name'),
                                  splits['train'])]


@pytest.fixture(scope='module')
def t5():
    pytest.importorskip('transformers')
    from language_models import make, tokenizer

    from dept_mm.language import FrozenLanguageModel
    return FrozenLanguageModel(make('t5'), tokenizer('t5'), 't5')


@pytest.mark.parametrize('name', PUBLIC)
def test_sources_and_answers_are_those_of_the_public_code(name, tmp_path, t5):
    from dept_mm.language import Seq2SeqHead
    head = Seq2SeqHead(t5, name, 512)
    data = TextDataset(name, data_root=publish(name, tmp_path))
    for one, (source, answer) in zip(data, PUBLIC[name], strict=False):
        if name == 'winogrande':  # the public code shows one option twice
            source = source.replace('option1: Ian', 'option1: Dennis')
        # T5's tokenizer makes one space of several.
        assert head.template.format(**one['inputs']).split() == source.split()
        assert head.make_answer(one['data_samples']).strip() == answer.strip()


def test_accepted_answers(tmp_path):
    """In training each accepted answer of ReCoRD is learned, of MRQA the
    first; a test asks once."""
    root = publish('record', tmp_path)
    train = TextDataset('record', data_root=root)
    test = TextDataset('record', data_root=root, test_mode=True)
    assert len(train) == 3 and len(test) == 2
    assert train[1]['data_samples'].gt_texts[0] == 'Rome'
    assert test[0]['data_samples'].gt_texts == ['Bert', 'Rome']
    data = TextDataset('newsqa', data_root=publish('newsqa', tmp_path))
    assert data[0]['data_samples'].gt_texts == ['U . S .', 'the U . S .']


def test_punctuation_is_that_of_the_public_pattern():
    regex = pytest.importorskip('regex')
    # Only assigned characters; libraries know different versions of Unicode.
    text = ''.join(f'a{chr(i)}' for i in range(33, 0x2fff)
                   if unicodedata.category(chr(i)) != 'Cn')
    expected = regex.sub(r'([^_\s\p{N}\p{L}\p{M}])', r' \1 ', text)
    assert pad_punctuation(text).split() == expected.split()


def test_a_span_that_is_not_there_is_not_marked():
    assert mark_span('He saw Ann .', 'Ann', 1, '*') == 'He saw Ann .'
    assert mark_span('He saw Ann .', 'Ann', 2, '*') == 'He saw * Ann * .'


def test_mistakes(tmp_path, monkeypatch, library):
    monkeypatch.setitem(sys.modules, 'datasets', None)
    with pytest.raises(DeptError, match='pip install datasets'):
        TextDataset('rte', source='hub')
    monkeypatch.setitem(sys.modules, 'datasets', library)
    with pytest.raises(DeptError, match="has no split 'dev'"):
        TextDataset('rte', 'dev', source='hub')
    with pytest.raises(DeptError, match='give task.hub=dict'):
        TextDataset('mr', source='hub')
    with pytest.raises(DeptError, match="neither 'files' nor 'hub'"):
        TextDataset('rte', source='web')

    def fail(*_, **__):
        raise ConnectionError('no route')

    library.load_dataset = fail
    with pytest.raises(DeptError, match='glue/rte/train: no route.*files'):
        TextDataset('rte', source='hub')
    path = tmp_path / 'a.jsonl'
    path.write_text('{"x": "one", "y": "two"}\n')
    with pytest.raises(DeptError, match='must be a list of accepted answers'):
        TextDataset(dict(columns=dict(x='x'), answers='y'),
                    ann_file=str(path))
    with pytest.raises(DeptError, match='answers or classes'):
        Task.resolve(dict(base='rte', answers='y'))
    with pytest.raises(DeptError, match="layout 'odd' is unknown"):
        Task.resolve(dict(base='rte', layout='odd'))
    (tmp_path / 'a.xml').write_text('')
    with pytest.raises(DeptError, match='must end in .csv'):
        TextDataset('rte', ann_file=str(tmp_path / 'a.xml'))
    (tmp_path / 'b.jsonl.gz').write_text('not packed')
    with pytest.raises(DeptError, match='cannot be read'):
        TextDataset('newsqa', ann_file=str(tmp_path / 'b.jsonl.gz'))
