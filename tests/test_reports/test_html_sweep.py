"""The report of a sweep, and pages in a browser."""
import re
import shutil
import subprocess

import pytest
from html_page import Page

from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results, write_result
from dept_mm.reports.html import write_report
from dept_mm.reports.html._sweep import (
    build_tables,
    describe,
    find_options,
)

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')


def result(folder, method, seed, rows, **other):
    """Write what a run on pets would; rows: row -> (base, new)."""
    write_result(folder, dict(dict(
        config=f'x/{method}_vit-base-p16_16shot_pets-b2n', seed=seed,
        shots=16, dataset='pets', recipe=method, fingerprint=f'{method}{seed}',
        clip=dict(name='ViT'), results={row: dict(pets={
            half: dict(correct=value, total=100)
            for half, value in zip(('base', 'new'), values, strict=True)})
            for row, values in rows.items()}), **other))


@pytest.fixture
def sweep(tmp_path):
    """Two methods, two seeds; one run has a report of its own."""
    for method, seeds in {'coop': [(80, 50), (84, 60)],
                          'dept-coop': [(90, 50), (90, 70)]}.items():
        for seed, values in enumerate(seeds, 1):
            result(tmp_path / f'{method} {seed}', method, seed, {
                'zero-shot': (60, 40), 'tuned': values}, settings=dict(
                    model=dict(head=method), randomness=dict(seed=seed)))
    (tmp_path / 'coop 1/report.html').write_text('')
    return tmp_path


def test_page(sweep):
    page = Page(write_report(sweep).parent)
    assert not page.open
    assert ('4 runs: dept-coop_vit-base-p16_16shot has the highest H on pets, '
            '72.00.') in page.text
    # H of 82 and 55; DePT's gain; DePT's paper.
    for text in ('82.00 ± 2.83', '65.84', '8.00 ± 2.83', 'coop (dept)',
                 '95.57', 'github.com/Koorye/DePT'):
        assert text in page.text
    assert [attrs['href'] for tag, attrs in page.tags if tag == 'a'] == [
        'coop%201/report.html']


def test_points(sweep):
    values, figures = describe(sweep, find_results([sweep]))
    assert len(values['tables']) == 1 and list(figures) == ['points-1']
    svg = figures['points-1']
    # Base, new and H of two methods with two seeds, and of zero-shot CLIP.
    marks = re.findall(r'<use [^>]*fill-opacity: 0.6', svg)
    assert len(marks) == 3 * (2 + 2 + 1)


def test_options_have_rows_and_tables(tmp_path):
    """The first that differs has rows, the second tables; one that always
    changes with another is no third, nor is a seed."""
    for i, (rate, depth) in enumerate((r, d) for r in (.1, .2)
                                      for d in (1, 2)):
        result(tmp_path / str(i), 'coop', i, dict(tuned=(80 + i, 50)),
               recipe=f'{i}', settings=dict(
                   optim=dict(lr=rate, copies=[rate]), depth=depth,
                   train=dict(seed=i)))
    results = find_results([tmp_path])
    assert find_options(results) == ['optim.lr', 'depth']
    tables = dict(build_tables(results))
    assert list(tables) == ['b2n, 16 shots, depth=1',
                            'b2n, 16 shots, depth=2']
    assert [[row.label.split(', ')[1] for row in table.rows
             if row.kind == 'run'] for table in tables.values()] == [
        ['lr=0.1', 'lr=0.2']] * 2


def test_nothing_was_evaluated(tmp_path):
    write_result(tmp_path / 'a', dict(
        config='a', dataset='b', shots=1, results={}))
    with pytest.raises(DeptError, match='No run below .* was evaluated'):
        write_report(tmp_path)


@pytest.mark.skipif(BROWSER is None, reason='no Chromium')
def test_in_a_browser(sweep, tmp_path):
    """A click sorts; nothing is wider than a phone."""
    page = write_report(sweep)
    script = """<script>
    document.querySelectorAll('th button')[2].click();
    document.querySelectorAll('th button')[2].click();
    document.title = [...document.querySelectorAll('.sortable td.number')]
        .map(cell => cell.textContent).join('') + ' '
        + (document.documentElement.scrollWidth <= innerWidth);
    </script>"""
    page.write_text(page.read_text().replace('</body>', script + '</body>'))
    done = subprocess.run(
        [BROWSER, '--headless', '--no-sandbox', '--disable-gpu',
         f'--user-data-dir={tmp_path}/browser', '--window-size=400,800',
         '--dump-dom', page.as_uri()],
        capture_output=True, text=True, timeout=60)
    assert '<title>2211 true</title>' in done.stdout, done.stderr
