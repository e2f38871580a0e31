"""Install script: ``pip install -e ".[openmmlab]"``.

The host libraries (MMEngine, MMCV, MMPretrain) are extras and never hard
requirements: two stacks share the same import names, and pip would install
one over the other. ``dept_mm/_host.py`` checks for them at import.
"""
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

EXTRAS = {
    # mmpretrain 1.2 refuses mmcv >= 2.4. The classification path needs no
    # compiled ops, so the pure-python mmcv-lite does.
    'openmmlab': [
        'mmengine>=0.10.6', 'mmcv-lite>=2.1,<2.4', 'mmpretrain>=1.2'
    ],
    # mmcv-lite requires `mmengine` and would install it over the fork, so
    # the fork's own mmcv comes with it: its sdist builds without compiled
    # ops under pip's build isolation, in seconds.
    'onedl': [
        'onedl-mmengine>=0.10.10', 'onedl-mmcv>=2.3.6,<2.4',
        'onedl-mmpretrain>=1.3.4'
    ],
    # Prompts in language models; CLIP does without.
    'language': ['transformers>=4.48', 'peft>=0.14'],
    'export': ['onnx>=1.16', 'onnxruntime>=1.18'],
    'sweep': ['submitit>=1.5'],
    # Which parts of an image speak for a class; MMPretrain asks for this
    # version, too.
    'saliency': ['grad-cam>=1.4,<1.5'],
    'tests': [
        'pytest>=8', 'pytest-xdist>=3.5', 'submitit>=1.5', 'tensorboard',
        'torchmetrics>=1.4', 'grad-cam>=1.4,<1.5', 'onnx>=1.16',
        'onnxruntime>=1.18', 'selenium>=4.20'
    ],
    'docs': [
        'mkdocs>=1.6,<2', 'mkdocs-material>=9.5',
        'mkdocstrings[python]>=0.26', 'nbformat>=5.1'
    ],
    'dev': ['ruff>=0.8', 'pre-commit', 'build'],
}


def read_version() -> str:
    """Read the version as text: importing needs the host libraries."""
    text = (ROOT / 'dept_mm/version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '(.+)'", text).group(1)


class BuildWithConfigs(build_py):
    """Put the configs into the wheel as ``dept_mm/.mim``.

    An editable install uses those of the repository itself.
    """

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / 'dept_mm' / '.mim'
        # A leftover `build/` folder may hold configs that are gone by now.
        shutil.rmtree(target, ignore_errors=True)
        for source in self._sources():
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        target = Path(self.build_lib) / 'dept_mm' / '.mim'
        return outputs + [
            str(target / source.relative_to(ROOT))
            for source in self._sources()
        ]

    @staticmethod
    def _sources() -> list[Path]:
        return sorted((ROOT / 'configs').rglob('*.py'))


setup(
    name='dept-mm',
    version=read_version(),
    description='Prompt tuning of frozen CLIP models for MMPretrain: DePT '
    '(Decoupled Prompt Tuning), CoOp and others',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['dept_mm', 'dept_mm.*']),
    package_data={
        'dept_mm': [
            'assets/**/*.json', 'assets/**/*.safetensors', 'assets/**/*.md',
            'assets/zoo/*',
            'reports/html/*.j2', 'reports/html/*.css', 'reports/html/*.js',
            'export/web/*'
        ]
    },
    python_requires='>=3.10,<3.14',
    install_requires=[
        'torch>=2.4', 'torchvision', 'open_clip_torch>=3.0', 'numpy', 'pillow',
        'rich'
    ],
    extras_require=EXTRAS,
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False)
