"""Run the commands of a page of the documents."""
import re
import shlex
from pathlib import Path

from run_tool import run_tool

BLOCK = re.compile(r'^```(bash|python)\n(.*?)^```', re.M | re.S)


def run_page(page, config, complete):
    """Do what a page says, in this folder, one block after another.

    Args:
        page: The text of the page.
        config: Name of the file whose text is a block of the page.
        complete: Is given a tool and its arguments; returns the arguments to
            run it with, or None to leave it out.
    """
    for language, text in BLOCK.findall(page):
        if text.startswith(f'# {config}'):
            Path(config).write_text(text)
        elif language == 'python':
            exec(text, {})
        else:
            for line in text.splitlines():
                run_line(line, complete)


def run_line(line, complete):
    python, tool, *args = shlex.split(line)
    assert python == 'python' and tool.startswith('tools/')
    args = complete(tool, args)
    if args is not None:
        done = run_tool(tool.removeprefix('tools/'), *args)
        assert done.returncode == 0, f'{line}: {done.stdout}{done.stderr}'
