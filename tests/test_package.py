"""Install, import and layout: what a newcomer meets first."""
import importlib
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from mmpretrain import list_models

import dept_mm
from dept_mm import _host

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(ROOT.glob('tools/*.sh')) + [ROOT / '.ci' / 'run']


def test_import_twice_is_harmless():
    before = list_models()
    importlib.reload(dept_mm)
    assert list_models() == before


def test_version():
    assert re.fullmatch(r'\d+\.\d+\.\d+\w*', dept_mm.__version__)


def test_setup_keeps_its_promises(monkeypatch):
    import setuptools
    found = {}
    monkeypatch.setattr(setuptools, 'setup', found.update)
    spec = importlib.util.spec_from_file_location('setup', ROOT / 'setup.py')
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert found['version'] == dept_mm.__version__
    extras = found['extras_require']
    assert set(extras) >= {'openmmlab', 'onedl', 'tests', 'dev'}
    # Both stacks own one set of import names: no plain install may have any.
    hosts = {name for names in _host.OWNERS.values() for name in names}

    def owners(requirements: list[str]) -> set[str]:
        return hosts & {re.split('[<>=]', text)[0] for text in requirements}

    assert not owners(found['install_requires'])
    assert owners(extras['openmmlab']) == {
        'mmengine', 'mmcv-lite', 'mmpretrain'}
    assert owners(extras['onedl']) == {
        'onedl-mmengine', 'onedl-mmcv', 'onedl-mmpretrain'}


def test_this_installation_passes():
    _host.check_host()


@pytest.mark.parametrize('installed, clash, command', [
    (dict(mmcv='a', mmengine='a') | {'mmcv-lite': 'a'}, 'mmcv, mmcv-lite',
     'pip uninstall -y mmcv mmcv-lite && pip install "dept-mm[openmmlab]"'),
    ({'mmcv-lite': 'a', 'onedl-mmcv': 'a', 'onedl-mmengine': 'a'},
     'mmcv-lite, onedl-mmcv', 'pip uninstall -y mmcv-lite onedl-mmcv '
     'onedl-mmengine && pip install "dept-mm[onedl]"'),
    ({'mmcv': 'a', 'mmcv-lite': 'b', 'mmengine': 'a'}, None, None),
    ({'onedl-mmcv': 'a', 'onedl-mmengine': 'a'}, None, None),
])
def test_overlap(installed, clash, command):
    fault = _host.find_overlap(installed)
    if clash is None:
        assert fault is None
    else:
        assert fault.startswith(f'{clash} are installed over each other')
        assert fault.endswith(command)


@pytest.mark.parametrize('name, version, command', [
    ('mmengine', '0.10.5', 'pip install "dept-mm[openmmlab]"'),
    ('mmpretrain', '1.1.1', 'pip install "dept-mm[openmmlab]"'),
    ('mmcv', '1.7.2', 'pip uninstall -y mmcv mmcv-lite onedl-mmcv && '
     'pip install "dept-mm[openmmlab]"'),
    ('mmcv', None, 'pip install "dept-mm[openmmlab]"'),
    ('torch', '2.3.1+cu121', 'pip install -U "torch>=2.4" torchvision'),
    ('torch', '2.15.0+cpu', None),
    ('mmengine', '0.10.6', None),
    ('mmengine', '0.11.0rc0', None),
    ('mmpretrain', '1.2', None),
    ('mmcv.transforms', None, None),
])
def test_version_fault(name, version, command):
    fault = _host.find_old_version(name, version, 'openmmlab')
    if command is None:
        assert fault is None
    else:
        assert f'{name}>=' in fault and str(version) in fault
        assert fault.endswith(command)


@pytest.mark.parametrize('name, error, phrase, command', [
    ('mmengine', ModuleNotFoundError('no', name='mmengine'),
     'not installed', 'pip install "dept-mm[openmmlab]"'),
    ('torch', ModuleNotFoundError('no', name='torch'), 'not installed',
     'pip install -U "torch>=2.4" torchvision'),
    ('mmcv.transforms', ModuleNotFoundError('no', name='mmcv.transforms'),
     'cannot be imported', 'pip uninstall -y mmcv mmcv-lite onedl-mmcv && '
     'pip install "dept-mm[openmmlab]"'),
    ('mmpretrain', AssertionError('MMCV==2.5.0 is used but incompatible.'),
     'MMCV==2.5.0', 'pip uninstall -y mmcv mmcv-lite onedl-mmcv && '
     'pip install "dept-mm[openmmlab]"'),
    ('mmpretrain.models', TypeError('NoneType takes no arguments'),
     'TypeError', 'pip uninstall -y pycocotools'),
])
def test_import_fault(name, error, phrase, command, monkeypatch):
    def importer(wanted):
        raise error

    monkeypatch.setitem(sys.modules, 'transformers', ModuleType('t'))
    with pytest.raises(ImportError) as caught:
        _host.import_host(name, 'openmmlab', importer)
    assert f'dept_mm needs {name}' in str(caught.value)
    assert phrase in str(caught.value)
    assert str(caught.value).endswith(command)


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_script(path):
    assert os.access(path, os.X_OK)
    subprocess.run(['bash', '-n', str(path)], check=True)


@pytest.mark.parametrize('gpus, resources', [
    ('2', ['--gres=gpu:2', '--ntasks-per-node=2']), ('0', [])])
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_slurm_script(tool, gpus, resources, tmp_path):
    fake = tmp_path / 'srun'
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    env = os.environ | dict(PATH=f'{tmp_path}:{os.environ["PATH"]}',
                            GPUS='4', GPUS_PER_NODE=gpus, SRUN_ARGS='-x -y')
    script = ROOT / 'tools' / f'slurm_{tool}.sh'
    out = subprocess.run(
        [shutil.which('bash'), script, 'part', 'job', 'c.py', 'w d', '--amp'],
        env=env, check=True, capture_output=True, text=True).stdout
    words = out.splitlines()
    assert words[:4] == ['-p', 'part', '--job-name=job', '--ntasks=4']
    assert [w for w in words if 'gres' in w or 'per-node' in w] == resources
    assert words[-4:] == [
        '--launcher=slurm', 'c.py',
        '--work-dir=w d' if tool == 'train' else 'w d', '--amp']


@pytest.mark.parametrize('version, stack, stays', [
    ('4.51.3', 'openmmlab', True), ('4.52.4', 'openmmlab', False),
    ('5.23.0', 'openmmlab', False), ('4.57.6', 'onedl', True),
    ('5.0', 'onedl', False), (None, 'openmmlab', True)])
def test_multimodal_models_that_would_break(monkeypatch, version, stack,
                                            stays):
    """The pairs that were tried, see TOO_NEW."""
    def distribution(name):
        if version is None:
            raise _host.PackageNotFoundError(name)
        return SimpleNamespace(version=version)

    monkeypatch.setattr(_host, 'distribution', distribution)
    dependency = SimpleNamespace(WITH_MULTIMODAL=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        _host.leave_out_multimodal(dependency, stack)
    assert dependency.WITH_MULTIMODAL == stays == (not caught)


DOCUMENTS = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
FOLDERS = ('configs', 'dept_mm', 'tools', 'tests', 'docs')


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_paths_in_documents(path):
    """Files that a document names or links are there."""
    text = path.read_text('utf-8')
    named = set(re.findall(
        rf'(?<![\w/.-])((?:{"|".join(FOLDERS)})/[\w./-]*\w\.(?:py|sh|md|yml))',
        text))
    links = {link for link in re.findall(r'\]\(([\w./-]+\.\w+)', text)}
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in links if not (path.parent / link).exists()]
    # The examples of one page are files that its reader writes.
    assert not [name for name in missing if '/mine/' not in name]
    if path.name == 'performance.md':
        inside = re.findall(r'`((?:models|engine|datasets)/[\w/]+\.py)`', text)
        assert inside and all((ROOT / 'dept_mm' / f).exists() for f in inside)
