"""The report of a run: what the page says, and that it needs nothing else."""
import base64
import io
import json
import re
import shutil
from logging import WARNING
from xml.etree import ElementTree

import numpy as np
import pytest
from html_page import Page
from PIL import Image
from run_tool import TOOLS, run_tool

from dept_mm.cli.arguments import common_parser, load_config
from dept_mm.config import config_fingerprint
from dept_mm.datasets.drawn_shapes import draw_key
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result, write_result
from dept_mm.evaluation.predictions import (
    FILE,
    pack_predictions,
    read_predictions,
)
from dept_mm.reports.html import try_report, write_report
from dept_mm.reports.html._curves import read_curves
from dept_mm.reports.html._headline import write_headline
from dept_mm.reports.html._recipe import (
    describe_recipe,
    find_checkpoint,
    format_bytes,
    format_seconds,
    list_commands,
)
from dept_mm.reports.summary import compute_wilson_interval


@pytest.fixture(scope='module')
def trained(tmp_path_factory, clip_configs):
    """Work dir of a short training and of a test of its checkpoint."""
    clip = clip_configs['vit']['name']
    folder = tmp_path_factory.mktemp('html') / 'run'
    config = TOOLS.parent / 'configs/dept/quickstart.py'
    done = run_tool('train.py', config, '--work-dir', folder,
                    '--cfg-options', f'clip.name={clip}',
                    'clip.pretrained=random', 'train_cfg.max_epochs=1',
                    'train_dataloader.num_workers=0',
                    'train_dataloader.dataset.num_shots=1',
                    'default_hooks.logger.interval=1', 'param_scheduler=[]', *(
                        f'{loader}_dataloader.{option}'
                        for loader in ('val', 'test') for option in (
                            'num_workers=0',
                            'dataset.indices=[0,1,2,1500,1501,1502]')))
    assert not done.returncode, done.stderr
    config, = folder.glob('*.py')
    done = run_tool('test.py', config, folder / 'epoch_1.pth')
    assert not done.returncode, done.stderr
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the work dir, to be changed."""
    return shutil.copytree(trained, tmp_path / 'run')


def test_the_page_needs_nothing_else(trained):
    page = Page(trained)
    assert not page.open
    for tag, attrs in page.tags:
        for name in ('src', 'href', 'xlink:href', 'data', 'action', 'srcset'):
            assert attrs.get(name, '#').startswith(('#', 'data:')), (
                tag, attrs)
    assert not re.search(r'url\((?!#)|@import|fetch\(|XMLHttp', page.source)
    assert ('meta', dict(name='viewport', content='width=device-width, '
                         'initial-scale=1')) in page.tags
    assert 'prefers-color-scheme: dark' in page.source
    # Ink has the colour of the text, in each of the figures.
    assert page.source.count('<svg') == 9
    assert '#333333' not in page.source and 'currentColor' in page.source


def test_figures_are_files_too(trained):
    names = {path.stem for path in (trained / 'figures').iterdir()}
    assert names == {
        'accuracy', 'loss', 'learning-rate', 'confusion-base',
        'confusion-new', 'reliability-base', 'reliability-new', 'risk-base',
        'risk-new'}
    for path in (trained / 'figures').iterdir():
        root = ElementTree.parse(path).getroot()
        assert root.tag == '{http://www.w3.org/2000/svg}svg'


def test_numbers(trained):
    text = Page(trained).text
    rows = read_result(trained)['results']
    for row in rows.values():
        for counts in row['shapes'].values():
            assert f'{100 * counts["correct"] / counts["total"]:.2f}' in text
            assert f'{counts["nll"]:.3f}' in text
            assert f'{100 * counts["adaptive_ece"]:.2f}' in text
            assert f'AURC {100 * counts["aurc"]:.1f}' in text
    assert 'CoOpPrompt(num_tokens=16)' in text
    assert format_bytes((trained / 'epoch_1.pth').stat().st_size) in text


def test_worst_errors_and_their_pictures(trained):
    page = Page(trained)
    rows, about = read_predictions(trained)
    found = rows['tuned']['shapes']
    wrong = found[found['top'][:, 0] != found['label']]
    wrong = wrong[np.argsort(-wrong['probability'][:, 0])]
    pictures = [attrs for tag, attrs in page.tags if tag == 'img']
    assert [p['title'] for p in pictures] == [
        about['shapes']['images'][i] for i in wrong['index']]
    for picture in pictures:
        head, _, data = picture['src'].partition(',')
        assert head == 'data:image/jpeg;base64'
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert image.shape == (64, 64, 3)
        assert np.abs(draw_key(picture['title']) - image.astype(float)
                      ).mean() < 12


def test_a_test_has_a_report(trained):
    folder, = (path.parent for path in trained.glob('*/report.html'))
    text = Page(folder).text
    assert 'The model recognises' in text and 'zero-shot' not in text
    assert f'{trained}/epoch_1.pth' in text  # what was tested


def test_commands_repeat_the_run(trained):
    """The config that they name has the options of the command line."""
    text = Page(trained).text
    path, = trained.glob('*.py')
    assert f'python tools/train.py {path} --work-dir {trained}-again' in text
    assert f'python tools/test.py {path} {trained}/epoch_1.pth' in text
    args = common_parser('').parse_args([str(path)])
    assert config_fingerprint(load_config(args)) == (
        read_result(trained)['fingerprint'])


def change(folder, **values):
    """Change what the file of predictions says of the data set."""
    rows, about = read_predictions(folder)
    about['shapes'].update(values)
    (folder / FILE).write_bytes(pack_predictions(rows, about))


def test_photos_on_disk(run, tmp_path):
    Image.new('L', (300, 150), 77).save(tmp_path / 'grey.png')
    change(run, images=[str(tmp_path / 'grey.png')] * 6)
    write_report(run)
    pictures = [attrs['src'] for tag, attrs in Page(run).tags if tag == 'img']
    data = base64.b64decode(pictures[0].partition(',')[2])
    image = Image.open(io.BytesIO(data))
    assert image.size == (128, 64) and image.getpixel((5, 5)) == (77, 77, 77)


def test_names_are_text_and_photos_are_gone(run):
    about = read_predictions(run)[1]['shapes']
    hostile = '<script>alert("$x$ & y")</script>'
    change(run, classes=[hostile] * len(about['classes']),
           images=['"><img src=x>'] * 6)
    write_report(run)
    page = Page(run)
    assert not page.open and hostile in page.text
    assert page.source.count('<script>') == 1
    assert 'photos are no longer where the run has read them' in page.text
    assert not [attrs for tag, attrs in page.tags if tag == 'img']


def test_without_predictions(run):
    (run / FILE).unlink()
    write_report(run)
    assert 'There is no file predictions.npz' in Page(run).text


def test_a_fault_is_a_warning(run, monkeypatch):
    (run / FILE).write_bytes(b'broken')
    with pytest.raises(DeptError, match='damaged'):
        write_report(run)
    said = []
    monkeypatch.setattr('dept_mm.reports.html._write.print_log',
                        lambda *args: said.append(args))
    try_report(run)
    (text, logger, level), = said
    assert text.startswith('No report: DeptError') and level == WARNING
    done = run_tool('report.py', run)
    assert done.returncode == 1 and 'is damaged' in done.stderr


def test_nothing_to_report(tmp_path):
    try_report(tmp_path)
    assert not list(tmp_path.iterdir())
    done = run_tool('report.py', tmp_path)
    assert done.returncode == 1 and 'No result.json below' in done.stderr


def test_metrics_of_a_language_task(tmp_path):
    write_result(tmp_path, dict(
        config='language/late', dataset='sst2', shots=None, lm=dict(
            name='MiniLM'), results=dict(
            selection=dict(sst2=dict(metrics=dict(accuracy=99.))),
            tuned=dict(sst2=dict(base=dict(correct=45, total=50), metrics=dict(
                accuracy=90., f1=88.5))))))
    write_report(tmp_path)
    page = Page(tmp_path)
    assert 'The model reaches accuracy 90.00, f1 88.50.' in page.text
    assert 'MiniLM' in page.text and '99.0' not in page.text
    assert 'no log of a training' in page.text


HALVES = dict(base=(64, 100), new=(54, 100))


@pytest.mark.parametrize('before, after, text', [
    (HALVES, dict(base=(80, 100), new=(60, 100)),
     'Tuning lifts H from 58.6 to 68.6 %: base classes 64.0 → 80.0, new '
     'classes 54.0 → 60.0.'),
    (HALVES, dict(base=(64, 100), new=(50, 100)),
     'Tuning lowers H from 58.6 to 56.1 %: base classes 64.0 → 64.0, new '
     'classes 54.0 → 50.0.'),
    (dict(base=(1, 2)), dict(base=(1, 2)),
     'Tuning leaves accuracy at 50.0 %.'),
    (None, HALVES, "The model recognises 64.0 % of the base classes' images "
     "and 54.0 % of the new classes' images (H 58.6).")])
def test_headline(before, after, text):
    def count(halves):
        return dict(pets={half: dict(correct=a, total=b)
                          for half, (a, b) in halves.items()})

    rows = {'zero-shot': count(before)} if before else {}
    assert write_headline(dict(rows, tuned=count(after)),
                          dict(dataset='pets')) == text


def test_headline_of_several_data_sets():
    """The data set that was trained on is not in the average."""
    row = {name: dict(base=dict(correct=n, total=100))
           for name, n in dict(imagenet=99, pets=80, dtd=60).items()}
    assert write_headline(dict(tuned=row), dict(dataset='imagenet')) == (
        'The model recognises 70.0 % of the images on average over 2 data '
        'sets.')
    assert write_headline({}, {}) == 'This run has not been evaluated.'


def test_parts_of_a_resumed_run(tmp_path):
    """The later part counts; a last line may be cut off."""
    for stamp, lines in (('1', [(1, 9.), (2, 8.)]), ('2', [(2, 5.), (3, 4.)])):
        folder = tmp_path / stamp / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text(''.join(
            json.dumps(dict(step=step, loss=loss, lr=.1)) + '\n'
            for step, loss in lines) + '{"loss": 1')
    assert read_curves(tmp_path) == (
        dict(loss=([1, 2, 3], [9, 5, 4])), dict(lr=([1, 2, 3], [.1] * 3)))


@pytest.mark.parametrize('correct, total', [(0, 5), (5, 5), (701, 800)])
def test_wilson(correct, total):
    stats = pytest.importorskip('scipy.stats')
    expected = stats.binomtest(correct, total).proportion_ci(method='wilson')
    assert compute_wilson_interval(correct, total) == pytest.approx(
        (100 * expected.low, 100 * expected.high), abs=1e-9)


def test_the_selected_checkpoint(tmp_path):
    for name in ('best.pth', 'epoch_9.pth'):
        (tmp_path / name).write_text(name)
    (tmp_path / 'last_checkpoint').write_text('/moved/epoch_9.pth')
    result = dict(results=dict(tuned={}), clip=dict(name='ViT'))
    assert find_checkpoint(result, tmp_path).name == 'epoch_9.pth'
    result['selection'] = dict(checkpoint='best.pth', split='val', epoch=3,
                               metric='H', score=70.)
    assert (f'python tools/predict.py {tmp_path}/best.pth photo.jpg'
            in dict(list_commands(result, tmp_path)).values())
    assert describe_recipe(result)['measured weights'].startswith('epoch 3')


def test_units():
    assert [format_seconds(s) for s in (None, 5.25, 99.6, 100, 7300)] == [
        '', '5.2 s', '100 s', '2 min', '2 h 2 min']
    assert [format_bytes(n) for n in (None, 999, 56_006, 1.02e9)] == [
        '', '999 bytes', '56 KB', '1.02 GB']
