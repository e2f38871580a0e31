"""Make tutorial.ipynb of tutorial.md: ``python docs/make_notebook.py``.

With ``--check``, nothing is written; the exit status says whether the notebook
is current. It needs ``pip install -e ".[docs]"``.
"""
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = Path(__file__).parent
TARGET = HERE / 'tutorial.ipynb'
BLOCK = re.compile(r'^```(bash|python)\n(.*?)^```\n', re.M | re.S)
SETUP = """\
# Where this notebook is not opened in a clone of the repository, give the
# address to clone from.
REPOSITORY = ''
import pathlib
if REPOSITORY:
    !git clone -q {REPOSITORY} dept_mm
    %cd dept_mm
elif pathlib.Path('tutorial.md').is_file():
    %cd ..
!pip install -q -e ".[openmmlab,export]"
"""


def make_notebook(page: str) -> nbformat.NotebookNode:
    """Turn the blocks of a page into cells, in their order."""
    title, start = page.split('\n', 1)
    cells = [new_markdown_cell(title), new_code_cell(SETUP)]
    end = 0
    for block in BLOCK.finditer(start):
        cells += [new_markdown_cell(start[end:block.start()].strip()),
                  new_code_cell(make_code(*block.groups()))]
        end = block.end()
    cells.append(new_markdown_cell(start[end:].strip()))
    for i, cell in enumerate(cells):
        cell['id'] = f'cell-{i}'  # or else it is random
    return new_notebook(cells=cells, metadata=dict(kernelspec=dict(
        name='python3', display_name='Python 3', language='python')))


def make_code(language: str, text: str) -> str:
    """Write a block as IPython wants it."""
    if language == 'bash':
        return '\n'.join(f'!{line}' for line in text.splitlines())
    if name := re.match(r'# (\S+\.py)\n', text):
        return f'%%writefile {name.group(1)}\n{text}'
    return text


if __name__ == '__main__':
    text = nbformat.writes(make_notebook(
        (HERE / 'tutorial.md').read_text('utf-8'))) + '\n'
    if '--check' not in sys.argv:
        TARGET.write_text(text, 'utf-8')
    elif TARGET.read_text('utf-8') != text:
        sys.exit(f'{TARGET} is not current: run python {__file__}')
