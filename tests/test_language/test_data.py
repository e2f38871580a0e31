"""Tables of texts, their parts and draws, and what is wrong with them."""
import json
from pathlib import Path

import pytest

from dept_mm.errors import DeptError
from dept_mm.language import Task, TextDataset

DATA = Path(__file__).parents[1] / 'data'


def write(path, *lines):
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return str(path)


def test_glue_files(tmp_path):
    """Quotes are text; CoLA has no header; MNLI's '-' is no label."""
    write(tmp_path / 'train.tsv', 'sentence\tlabel', 'a "quoted film\t1',
          'dull\t0')
    data = TextDataset('sst2', data_root=str(tmp_path))
    assert [data[i]['inputs']['sentence'] for i in (0, 1)] == [
        'a "quoted film', 'dull']
    assert [int(data[i]['data_samples'].gt_label) for i in (0, 1)] == [1, 0]
    write(tmp_path / 'dev.tsv', 'gj04\t0\t*\tThey drank the pub.')
    data = TextDataset('cola', 'val', data_root=str(tmp_path))
    assert data[0]['inputs'] == dict(sentence='They drank the pub.')
    write(tmp_path / 'dev_matched.tsv', 'sentence1\tsentence2\tgold_label',
          'a\tb\tneutral', 'c\td\t-')
    data = TextDataset('mnli', 'val', data_root=str(tmp_path))
    assert len(data) == 1
    assert data[0]['inputs'] == dict(premise='a', hypothesis='b')
    assert int(data[0]['data_samples'].gt_label) == 1


def test_values_and_own_tables(tmp_path):
    path = write(tmp_path / 'a.csv', 'x,y', '"one, two",3.5')
    data = TextDataset(dict(columns=dict(text='x'), label='y'), ann_file=path)
    assert data[0]['inputs'] == dict(text='one, two')
    assert data[0]['data_samples'].gt_value == 3.5


@pytest.fixture
def many(tmp_path):
    """60 texts, one in three positive."""
    write(tmp_path / 'train.tsv', 'sentence\tlabel', *(
        f'text {i}\t{int(i % 3 == 0)}' for i in range(60)))
    return lambda **options: [
        (data[i]['inputs']['sentence'], int(data[i]['data_samples'].gt_label))
        for data in [TextDataset('sst2', data_root=str(tmp_path), **options)]
        for i in range(len(data))]


def test_draws(many):
    few = many(num_examples=10)
    assert sum(y for _, y in few) == 3  # of 3.33
    assert few == many(num_examples=10) != many(num_examples=10, seed=2)
    shots = many(num_shots=4)
    assert len(shots) == 8 and sum(y for _, y in shots) == 4
    with pytest.raises(DeptError, match='40 examples of class 1'):
        many(num_shots=40)


def test_draws_are_those_of_the_public_code(tmp_path):
    """Late Prompt Tuning's two draws; DePT's halves and few shots, of which
    its code takes the last from any class."""
    found = json.loads((DATA / 'reference/text_draws.json').read_text())
    labels = [int(i % 3 == 0) for i in range(200)]
    write(tmp_path / 'train.tsv', *(
        f'{y}\ttext {i}' for i, y in enumerate(labels)))

    def draw(**options):
        data = TextDataset('mr', data_root=str(tmp_path), **options)
        return [int(data[i]['inputs']['sentence'][5:])
                for i in range(len(data))]

    for task in found['late'].values():
        for seed, parts in task.items():
            assert draw(num_examples=50, seed=int(seed)) == parts['train']
            assert draw(num_examples=70, skip=50, seed=int(seed)
                        ) == parts['dev']
    assert [draw(part=part) for part in ((0, .5), (.5, None))] == found['half']
    for seed, shots in found['shots'].items():
        assert set(shots[:-1]) <= set(draw(num_shots=8, seed=int(seed)))


def test_parts(many):
    first, second = many(part=(0, .5)), many(part=(.5, None))
    assert len(first) == len(second) == 30
    assert sorted(first + second) == sorted(many())
    assert many(part=(0, 10)) == many(part=(0, 10), seed=2)


def test_mistakes(tmp_path):
    with pytest.raises(DeptError, match='not found.*dataset.data_root'):
        TextDataset('sst2', data_root=str(tmp_path))
    write(tmp_path / 'train.tsv', 'text\tlabel', 'a\t1')
    with pytest.raises(DeptError, match="line 2: no column 'sentence'"):
        TextDataset('sst2', data_root=str(tmp_path))
    write(tmp_path / 'train.tsv', 'sentence\tlabel', 'a\t7')
    with pytest.raises(DeptError, match="line 2: label is '7'"):
        TextDataset('sst2', data_root=str(tmp_path))
    with pytest.raises(DeptError, match="no file for split 'test'"):
        TextDataset('sst2', 'test')
    with pytest.raises(DeptError, match="'sst' is unknown"):
        Task.resolve('sst')
    with pytest.raises(DeptError, match='no columns'):
        Task.resolve(dict(base='sst2', template='{text} {mask}'))
