"""The file in which the results of a run are."""
from dept_mm.evaluation import read_result, write_result


def test_whatever_a_class_is_called(tmp_path):
    """Counts stand on one line; names like counts stay what they are."""
    found = {'x [ 1,  2 ]': [3, 4], '"\n[ 1,  2 ]': [5, 6]}
    path = write_result(tmp_path, dict(results=found))
    assert read_result(path)['results'] == found
    assert '"x [ 1,  2 ]": [3, 4],' in path.read_text()
