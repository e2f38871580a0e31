"""The file in which the results of a run are."""
from dept_mm.evaluation import read_result, write_result


def test_whatever_a_class_is_called(tmp_path):
    """Counts stand on one line; names like counts stay what they are."""
    found = {'x [ 1,  2 ]': [3, 4], '"\n[ 1,  2 ]': [5, 6]}
    path = write_result(tmp_path, dict(results=found))
    assert read_result(path)['results'] == found
    assert '"x [ 1,  2 ]": [3, 4],' in path.read_text()


def test_tests_of_one_second(tmp_path):
    """They have one folder; no result replaces another."""
    folder = tmp_path / '20261120_101112'
    paths = [write_result(folder, dict(seed=seed), keep=True)
             for seed in (1, 2, 3)]
    assert [path.parent.name[15:] for path in paths] == ['', '-2', '-3']
    assert [read_result(path)['seed'] for path in paths] == [1, 2, 3]
    assert write_result(folder, dict(seed=4)) == paths[0]
