"""Freed memory is used again without asking the system."""
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from dept_mm.apis.memory import keep_freed_memory

if sys.argv[1] == 'keep' and not keep_freed_memory():
    print('not here')
    raise SystemExit
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(2):
    torch.ones(16_000_000)  # 64 MB: beyond what glibc adapts to
before = faults()
for _ in range(10):
    torch.ones(16_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc')
def test_no_new_pages():
    default, kept = (subprocess.run(
        [sys.executable, '-c', SCRIPT, way], capture_output=True, text=True,
        check=True).stdout.split()[-1] for way in ('default', 'keep'))
    if kept == 'here':
        pytest.skip('another C library')
    # A block may be new once.
    assert int(default) > 5 * int(kept)
