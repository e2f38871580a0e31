"""The README's first command, and what its checkpoint answers."""
from pathlib import Path

import pytest
from mmpretrain import ImageClassificationInferencer, get_model
from run_tool import run_tool

from dept_mm.datasets import DrawnShapes
from dept_mm.evaluation import accuracy, read_result

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/dept/quickstart.py'


@pytest.mark.slow
def test_the_first_command(tmp_path):
    """One test, so that one process trains."""
    done = run_tool('train.py', CONFIG, '--work-dir', tmp_path, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    check_that_base_improves(tmp_path)
    for half in ('base', 'new'):
        check_names(tmp_path / 'epoch_10.pth', half)


def check_that_base_improves(work_dir):
    rows = read_result(work_dir)['results']
    zero_shot, tuned = (
        {half: accuracy(counts) for half, counts in row['shapes'].items()}
        for row in (rows['zero-shot'], rows['tuned']))
    # 16 classes a half: chance is 6.25 %.
    assert zero_shot['base'] > 40 and zero_shot['new'] > 40
    assert tuned['base'] > zero_shot['base'] + 10
    assert tuned['new'] > 40
    assert rows['tuned']['shapes']['base']['total'] == 800
    assert (work_dir / 'epoch_10.pth').stat().st_size < 250_000


def check_names(checkpoint, half):
    """Its checkpoint names images of classes that it was trained on, and of
    others."""
    data = DrawnShapes(split='test', task=half, indices=range(0, 800, 8))
    names = data.metainfo['classes']
    infos = [data.get_data_info(i) for i in range(len(data))]
    model = get_model(str(CONFIG), str(checkpoint))
    found = ImageClassificationInferencer(model)(
        [info['img'] for info in infos])
    right = sum(result['pred_class'] == names[info['gt_label']]
                for result, info in zip(found, infos, strict=True))
    # Among all 32 classes, where chance is 3 %.
    assert right / len(infos) > .15
