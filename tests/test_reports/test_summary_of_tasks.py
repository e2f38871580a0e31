"""Tables and plots of language models, over the metrics of their tasks."""
from dept_mm.evaluation import find_results, write_result
from dept_mm.reports.summary import (
    build_table,
    group_results,
    plot_results,
    render,
)
from dept_mm.reports.summary.plot import list_panels


def test_metrics_of_tasks(tmp_path):
    """Each has its columns and its panels; not only accuracy."""
    for name, metrics in (('MRPC', dict(accuracy=80., f1=85.)),
                          ('RTE', dict(accuracy=60.)),
                          ('CoLA', dict(matthews=50.))):
        (tmp_path / name).mkdir()
        write_result(tmp_path / name, dict(
            config='language/late_t5_rte', protocol='full', shots=None,
            seed=1, dataset=name, recipe='late', fingerprint='late1',
            clip=None, results=dict(
                selection={name: dict(metrics=dict(f1=99.))},
                tuned={name: dict(metrics=metrics)})))
    (key, methods), = group_results(find_results([tmp_path])).items()
    table = build_table(*key, methods)
    head, _, row = render([table], 'markdown').splitlines()[2:]
    assert head == ('| method | CoLA matthews | MRPC accuracy | MRPC f1 | '
                    'RTE accuracy |')
    assert row == '| language/late_t5_rte | 50.00 | 80.00 | 85.00 | 60.00 |'
    assert list(list_panels(table)) == [
        ('CoLA', 'matthews'), ('MRPC', 'accuracy'), ('RTE', 'accuracy'),
        ('MRPC', 'f1')]
    (key, methods), = group_results({
        path: dict(found, config='language/decomposed_t5_rte',
                   protocol='full_data')
        for path, found in find_results([tmp_path]).items()}).items()
    row = build_table(*key, methods, compare_published=True).rows[1]
    assert (row.label, {k: v.mean for k, v in row.cells.items()}) == (
        'decomposed (decomposed_t5_base)',
        {('MRPC', 'accuracy'): 90.7, ('RTE', 'accuracy'): 79.1,
         ('CoLA', 'matthews'): 63.8})
    plot_results([table], tmp_path / 'plot.png')
    assert (tmp_path / 'plot.png').read_bytes()[:4] == b'\x89PNG'
