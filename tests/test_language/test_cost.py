"""Work and memory of the methods, counted on tensors without storage."""
import sys

import pytest

pytest.importorskip('transformers')
import language
import rivals
from _benchmark.language import (
    FULL,
    METHODS,
    SIZES,
    Work,
    build,
    count_cost,
)
from language import ROWS, Row

# T5-base, for 8 inputs of 64 tokens after 100 learned ones.
BLOCKS, WIDTH, INNER, HEADS, INPUTS, TOKENS = 12, 768, 3072, 12, 8, 164
# Family -> the option of its depth, and the least that a late prompt halves.
DEPTH = dict(roberta=('num_hidden_layers', 2), t5=('num_layers', 1))


def ids(row):
    return '-'.join(map(str, row[:5])).replace(' ', '_')


def count_at(work, depth):
    """The cost at another depth; a late prompt stays in the middle."""
    config, model, size = SIZES[work.family]
    family, method = f'{work.family} of {depth}', work.method
    SIZES[family] = config, model, {**size, DEPTH[work.family][0]: depth}
    if 'layer' in (METHODS[method] or ()):
        method = f'{method} of {depth}'
        METHODS[method] = dict(METHODS[work.method], layer=depth // 2)
    return count_cost(work._replace(family=family, method=method))


def count_few(work):
    """The cost at the published depth, from two small ones: it is linear in
    the number of blocks, and counting all of them takes long."""
    option, least = DEPTH[work.family]
    times = SIZES[work.family][2][option] // least - 1
    one, two = (count_at(work, least * n) for n in (1, 2))
    return tuple(a + times * (b - a) for a, b in zip(one, two, strict=True))


@pytest.fixture
def few_blocks(monkeypatch):
    monkeypatch.setattr(language, 'count_cost', count_few)


@pytest.mark.parametrize('work', [
    Work('roberta', 'late 5', 64, True), Work('t5', 'adept 60', 64, True)],
    ids=['roberta', 't5'])
def test_costs_are_linear_in_the_depth(work, monkeypatch):
    """Those of two depths give that of a third exactly."""
    option, least = DEPTH[work.family]
    config, model, size = SIZES[work.family]
    monkeypatch.setitem(SIZES, work.family, (
        config, model, {**size, option: 3 * least}))
    assert count_few(work) == count_at(work, 3 * least)


@pytest.mark.usefixtures('few_blocks')
@pytest.mark.parametrize('row', [r for r in ROWS if r.flops], ids=ids)
def test_arithmetic(row):
    """T25 and the table of the analysis, to its two digits."""
    if isinstance(row.flops, tuple):
        low, high = row.flops
        assert low <= row.flop_ratio() <= high
    else:
        assert row.flop_ratio() == pytest.approx(row.flops, abs=.005)


@pytest.mark.usefixtures('few_blocks')
@pytest.mark.parametrize('row', [r for r in ROWS if r.kept], ids=ids)
def test_memory(row):
    """Soft prompts of RoBERTa were analysed without dropout; what was counted
    of full tuning is not said."""
    found = row.kept_ratio(dropout=row.before != 'soft 20')
    assert found == pytest.approx(
        row.kept, abs=.01 if row.before == FULL else .005)


def test_the_budget_is_the_same():
    """At most one rank less than 100 soft tokens."""
    for method, lacks in (('soft 100', 0), ('decomposed 40', 0),
                          ('decomposed 20', 0), ('adept 60', 749)):
        prompt = build('t5', method, 'meta').input_prompt
        count = sum(p.numel() for p in prompt.parameters())
        assert count == 76_800 - lacks


def test_t5_by_hand():
    """Four projections and two layers of the MLP, whose weights need no
    gradients; two products of attention, and four in the backward pass.

    A block keeps nine rows a token: what two norms read, queries, keys and
    values, and four of the MLP; the factors of the norms, and the weights of
    attention. So nothing is kept that need not be, e.g. no mask."""
    rows = INPUTS * TOKENS
    linear = 2 * rows * (4 * WIDTH**2 + 2 * WIDTH * INNER)
    attention = 4 * INPUTS * TOKENS**2 * WIDTH
    forward = count_cost(Work('t5', 'soft 100', 64, False))
    assert forward == (BLOCKS * (linear + attention), 0)
    step = count_cost(Work('t5', 'soft 100', 64, True, dropout=False))
    norm = rows * (WIDTH + 1)
    block = 2 * norm + rows * (3 * WIDTH + INNER) + HEADS * rows * TOKENS
    assert step == (BLOCKS * (2 * linear + 3 * attention),
                    4 * (BLOCKS * block + norm))


@pytest.mark.parametrize('kind', ['DecomposedPrompt', 'ADePTPrompt'])
def test_merged_offsets_are_free(kind, monkeypatch):
    """In evaluation they take no more than the soft prompt alone."""
    options = dict(max_length=256) if kind == 'DecomposedPrompt' else {}
    monkeypatch.setitem(METHODS, kind, dict(
        type=kind, num_tokens=20, rank=45, **options))
    offsets, soft = (count_at(Work('t5', method, 64, False), 1)
                     for method in (kind, 'soft 20'))
    assert offsets == soft


def test_the_table(monkeypatch, capsys):
    """A counted and timed row of a small model."""
    config, model, size = SIZES['roberta']
    monkeypatch.setitem(SIZES, 'small', (config, model, dict(
        size, hidden_size=32, num_attention_heads=2, intermediate_size=64,
        num_hidden_layers=2, vocab_size=50)))
    monkeypatch.setitem(METHODS, 'late 5', dict(METHODS['late 5'], layer=1))
    monkeypatch.setattr(language, 'ROWS', [
        Row('small', FULL, 'late 5', 8, True, 1.5, (.5, .6)),
        Row('small', 'soft 20', 'late 5', 8, False),
        Row('small', 'soft 20', 'late 5', 9, False)])
    monkeypatch.setattr(sys, 'argv', [
        'language.py', '--tokens', '8', '--time', 'cpu',
        '--rounds', '1'])
    language.main()
    lines = capsys.readouterr().out.splitlines()
    table = [[cell.strip() for cell in line.split('|')[1:-1]]
             for line in lines]
    assert {len(cells) for cells in table} == {11}
    _, _, full, soft = table
    assert full[:5] == ['small', '8', 'step', FULL, 'late 5']
    assert full[6] == '1.50' and full[9] == '0.50 to 0.60'
    assert float(full[5]) > 1 > float(full[7]) and full[10] == ''
    assert soft[6:10] == [''] * 4 and float(soft[10]) > 0


def test_rivals_at_one_budget(monkeypatch, capsys):
    """With a tiny model; nothing is differentiated below a late prompt."""
    pytest.importorskip('peft')
    for key, size in dict(hidden_size=32, num_hidden_layers=4,
                          num_attention_heads=2, intermediate_size=64,
                          vocab_size=50).items():
        monkeypatch.setitem(rivals.SIZE, key, size)
    few = 'linear', 'SoftPrompt', 'LatePrompt', 'LoRA'
    monkeypatch.setattr(rivals, 'METHODS', {
        name: rivals.METHODS[name] for name in few})
    monkeypatch.setattr(sys, 'argv', [
        'rivals.py', '--budget', '1300', '--tokens', '8', '--batch', '1',
        '--rounds', '1'])
    rivals.main()
    rows = {cells[0]: cells[1:] for cells in (
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in capsys.readouterr().out.splitlines()[2:])}
    assert tuple(rows) == few
    counts = {name: int(cells[0].replace(',', ''))
              for name, cells in rows.items()}
    assert counts['LoRA'] == 2 * 4 * 2 * 64 and counts['linear'] == 0
    assert max(counts.values()) <= 1300
    flop = {name: float(cells[1]) for name, cells in rows.items()}
    assert flop['linear'] < flop['LatePrompt'] < flop['SoftPrompt'] == 1
