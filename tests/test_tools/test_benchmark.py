"""The benchmark compares like with like, and counts what is there."""
import sys

import pytest
import run
import torch
from _benchmark.case import HOSTS, Case
from _benchmark.measure import Part, measure_costs
from _benchmark.names import class_names
from _benchmark.works import Sizes, train_step

from dept_mm.models.clip import build_clip
from dept_mm.reports.counting import count

# Nothing can be stored of their images, which no teacher sees.
FIRST_BLOCK_LEARNS = ('maple', 'clip_lora')


def doubled(case):
    """A case in fp64, with learned tokens that differ."""
    case.ours.double()
    case.head.double()
    for parameter in case.learned:
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    case.images, case.features = case.images.double(), case.features.double()
    return case


@pytest.mark.parametrize('host', HOSTS)
def test_all_ways_give_the_same_numbers(double, host):
    """Else the comparison would not be fair."""
    case = doubled(Case(host, double, 5))
    case.ours.train()
    stored = case.store()
    assert (stored is None) == (host in FIRST_BLOCK_LEARNS)
    (plain_loss, plain_grads), *found = (
        compute_gradients(case, backbone, inputs)
        for backbone, inputs in ((case.plain, case.images),
                                 (case.ours, case.images),
                                 (case.ours, stored))
        if inputs is not None)
    for loss, grads in found:
        # Similarities are fp32 in each.
        torch.testing.assert_close(loss, plain_loss, rtol=1e-5, atol=1e-6)
        for ours, plain in zip(grads, plain_grads, strict=True):
            scale = plain.abs().max()
            assert scale > 0
            torch.testing.assert_close(ours / scale, plain / scale, rtol=0,
                                       atol=1e-4)


def compute_gradients(case, *given):
    case.optimizer.zero_grad()
    loss = case.loss(*given)
    loss.backward()
    return loss.detach(), [p.grad for p in case.learned]


@pytest.mark.parametrize('host', HOSTS)
def test_both_ways_give_the_same_scores(double, host):
    case = doubled(Case(host, double, 5))
    case.ours.eval()
    case.head.eval()
    images = case.draw_images(3).double()
    ours, plain = (
        torch.stack([s.pred_logit for s in case.predict(backbone, images)])
        for backbone in (case.ours, case.plain))
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)


def test_the_plain_way_is_that_of_whole_sentences(clip):
    """Over 77 positions: 12 products of W^2 a token and block, and the
    features' projection. (A mask or softmax is not counted.)"""
    built = build_clip(clip)
    case = Case('coop', built, 5)
    assert case.plain.tokens.ids.shape[1] + 16 == 77
    with torch.no_grad():
        cost, _ = count(lambda: case.plain.text(case.features))
    width, layers, tokens = 32, 2, 5 * 77
    linear = layers * 12 * width**2 * tokens
    attention = layers * 2 * tokens * 77 * width
    assert cost.forward == 2 * (linear + attention + 5 * width * 16)


def test_parts_add_up_to_the_whole(clip):
    """What is measured of chunks is what a whole step takes."""
    case = Case('maple', build_clip(clip), 6)
    whole, parts = (train_step(case, Sizes(chunk=chunk)).plain
                    for chunk in (6, 2))
    assert len(whole) == 1 and len(parts) == 2
    (_, flops, kept), (_, part_flops, part_kept) = measure_costs(
        [whole, parts], 1, built_tensors(case))
    assert part_flops == flops
    assert part_kept == pytest.approx(kept, rel=0.01)


def built_tensors(case):
    return [*case.clip.parameters(), *case.clip.buffers()]


def test_a_part_counts_as_often_as_it_is_done():
    calls = []
    eye = torch.eye(10)
    way = [Part(lambda: calls.append(eye @ eye), 2.5)]
    assert measure_costs([way], 3, ())[0].flops == 2.5 * 2000
    assert len(calls) == 1 + 3


@pytest.mark.parametrize('number', [10, 50, 500, 1000])
def test_names_are_as_long_as_those_of_imagenet(clip, number):
    """With '.' and the end: 4.2 tokens in the mean, 13 at most."""
    built = build_clip(clip)
    names = class_names(built.tokenizer, number)
    assert len(set(names)) == number
    own = built.tokenize(names, '{}.').end.float()  # start token excluded
    assert own.mean() == pytest.approx(4.2, abs=0.12)
    assert own.max() == 13 if number >= 500 else own.max() <= 13
    # They share nothing that the engine could make use of.
    assert len({name.split()[0] for name in names}) == number


def test_the_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['run.py', '--quick'])
    run.main()
    lines = capsys.readouterr().out.splitlines()
    table = [[cell.strip() for cell in line.split('|')[1:-1]]
             for line in lines if line.startswith('|')]
    assert len({len(row) for row in table}) == 1
    rows = {row[0]: row for row in table[2:]}
    assert set(rows) == {
        'coop text of a step', 'coop text of an evaluation',
        *(f'{host} {work}' for host in HOSTS
          for work in ('step', 'evaluation'))}
    for name, row in rows.items():
        assert float(row[4].removesuffix('x')) > 0
        assert float(row[7]) > float(row[8]) or 'text' in name
    assert 'matrix products' in lines[-1]


@pytest.mark.parametrize('wrong', [['--classes', '70'], ['--work', 'x']])
def test_wrong_options(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['run.py', *wrong])
    with pytest.raises(SystemExit):
        run.parse_args()
    assert wrong[0] in capsys.readouterr().err
