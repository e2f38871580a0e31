"""The README's first command, and what its checkpoint answers."""
import subprocess
import sys
from pathlib import Path

import pytest
from mmpretrain import ImageClassificationInferencer, get_model

from dept_mm.datasets import DrawnShapes
from dept_mm.evaluation import accuracy, read_result

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/dept/quickstart.py'


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Where one run of the quickstart left its files."""
    folder = tmp_path_factory.mktemp('quickstart')
    subprocess.run(
        [sys.executable, 'tools/train.py', str(CONFIG), '--work-dir',
         str(folder)], cwd=ROOT, check=True, timeout=600)
    return folder


@pytest.mark.slow
def test_base_improves_by_far(work_dir):
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


@pytest.mark.slow
@pytest.mark.parametrize('half', ['base', 'new'])
def test_its_checkpoint_names_base_and_new_classes(work_dir, half):
    data = DrawnShapes(split='test', task=half, indices=range(0, 800, 8))
    names = data.metainfo['classes']
    infos = [data.get_data_info(i) for i in range(len(data))]
    model = get_model(str(CONFIG), str(work_dir / 'epoch_10.pth'))
    found = ImageClassificationInferencer(model)(
        [info['img'] for info in infos])
    right = sum(result['pred_class'] == names[info['gt_label']]
                for result, info in zip(found, infos, strict=True))
    # Among all 32 classes, where chance is 3 %.
    assert right / len(infos) > .15
