"""Run a command line tool inside the process of the tests."""
import io
import logging
import os
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

TOOLS = Path(__file__).parents[1] / 'tools'


def run_tool(name, *args, cwd='.'):
    """What ``python tools/NAME ARGS`` gives, without a new interpreter.

    Returns:
        CompletedProcess: Exit code, and the texts of both outputs.
    """
    out, error, code = io.StringIO(), io.StringIO(), 0
    argv = [str(TOOLS / name), *map(str, args)]
    disabled, before = logging.root.manager.disable, os.getcwd()
    os.chdir(cwd)  # contextlib.chdir came with Python 3.11
    with (redirect_stdout(out), redirect_stderr(error),
          patch.object(sys, 'argv', argv)):
        try:
            runpy.run_path(argv[0], run_name='__main__')
        except SystemExit as end:
            code = end.code or 0
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
        finally:
            logging.disable(disabled)
            os.chdir(before)
    return CompletedProcess(argv, code, out.getvalue(), error.getvalue())
