"""Predictions as lines, and in files."""
import csv
import json

import pytest

from dept_mm.apis import Prediction, Unreadable
from dept_mm.errors import DeptError
from dept_mm.reports.predictions import PredictionFile, format_prediction

FOUND = [
    Prediction('a.png', ('sea, horse', 'owl'), (.75, .125), 'sea, horse'),
    Unreadable('b.png', 'b.png: it is no image'),
    Prediction('ü.png', ('owl', 'sea, horse'), (.5, .25), None)]


def test_lines():
    assert format_prediction(FOUND[0], 8, 10) == (
        'a.png     sea, horse  75.0 %  owl         12.5 %')
    assert format_prediction(FOUND[2], 5, 3) == (
        'ü.png  none of these:  owl  50.0 %  sea, horse  25.0 %')


def write(path, k=2):
    with PredictionFile(path, k) as file:
        for found in FOUND:
            file.add(found)
    return path.read_text('utf-8')


def test_csv(tmp_path):
    write(tmp_path / 'x.csv')
    with open(tmp_path / 'x.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == dict(
        image='a.png', prediction='sea, horse', class_1='sea, horse',
        probability_1='0.75', class_2='owl', probability_2='0.125', error='')
    assert rows[1] == dict.fromkeys(rows[0], '') | dict(
        image='b.png', error='b.png: it is no image')
    assert rows[2]['prediction'] == 'none of these'


def test_json_and_lines_of_it(tmp_path):
    whole = json.loads(write(tmp_path / 'x.json'))
    lines = write(tmp_path / 'x.jsonl').splitlines()
    assert whole == [json.loads(line) for line in lines]
    assert whole[0] == dict(
        image='a.png', prediction='sea, horse', error=None, classes=[
            dict(name='sea, horse', probability=.75),
            dict(name='owl', probability=.125)])
    assert whole[1] == dict(image='b.png', prediction=None, classes=[],
                            error='b.png: it is no image')
    assert whole[2]['image'] == 'ü.png'


def test_a_stopped_run_leaves_json_that_can_be_read(tmp_path):
    with pytest.raises(KeyboardInterrupt), PredictionFile(
            tmp_path / 'x.json', 2) as file:
        file.add(FOUND[0])
        raise KeyboardInterrupt
    assert len(json.loads((tmp_path / 'x.json').read_text())) == 1


def test_mistakes(tmp_path):
    with pytest.raises(DeptError, match='x.txt.*end in one of .csv, .json'):
        PredictionFile(tmp_path / 'x.txt', 2)
    with pytest.raises(DeptError, match='cannot be written'):
        with PredictionFile(tmp_path / 'nowhere' / 'x.csv', 2):
            pass
