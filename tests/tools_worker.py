"""One of several processes of a test that calls tools one after another.

    python tools_worker.py CALLS

reads a JSON list of calls, each the name of a tool and its arguments.
"""
import json
import sys
from pathlib import Path

from run_tool import run_tool

if __name__ == '__main__':
    for name, *args in json.loads(Path(sys.argv[1]).read_text()):
        done = run_tool(name, *args, '--launcher', 'pytorch')
        if done.returncode:
            sys.exit(f'{name} {args}: {done.stdout}{done.stderr}')
