"""What makes the host libraries quick where tests call them very often.

    import quick_hosts  # noqa: F401

Nothing that a test looks at depends on it.
"""
import functools
import gc
import io
import itertools
import os
import pickle
import time
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import mmengine.config.config
import mmengine.dataset.base_dataset
import mmengine.runner.runner
import open_clip
import torch
from mmengine.config import Config
from torch import nn

# Models of tests are tiny: more threads only wait for each other.
os.environ.setdefault('OMP_NUM_THREADS', '1')
torch.set_num_threads(1)
# Most objects stay, and models are many: the collector may look less often.
gc.set_threshold(20_000, 20, 20)
# A runner lays its config out nine times, which takes most of a short run.
mmengine.config.config.FormatCode = lambda text, **style: (text, True)
# It collects garbage for each data set, which takes half a second.
mmengine.dataset.base_dataset.gc = SimpleNamespace(collect=lambda: None)
# Runs that start in one second would share a name, and so a log file.
seconds = itertools.count(int(time.time()))
mmengine.runner.runner.time = SimpleNamespace(
    time=lambda: next(seconds), strftime=time.strftime,
    localtime=time.localtime)
# It reads its 49,408 words again for each CLIP.
open_clip.get_tokenizer = functools.cache(open_clip.get_tokenizer)


class Copies:
    """Copies of a module, in a third of the time that ``deepcopy`` takes."""

    def __init__(self, module: nn.Module) -> None:
        tensors = []

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                if isinstance(value, torch.Tensor):
                    tensors.append(value)
                    return len(tensors) - 1

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, index):
                return deepcopy(tensors[index])

        structure = io.BytesIO()
        Pickler(structure, pickle.HIGHEST_PROTOCOL).dump(module)
        self.make = lambda: Unpickler(
            io.BytesIO(structure.getbuffer())).load()


# Random weights follow from a seed: a copy of those made before is as good.
# Those of large models would fill the memory.
create_model = open_clip.create_model
copies = functools.lru_cache(8)(
    lambda *args, **options: Copies(create_model(*args, **options)))
open_clip.create_model = lambda *args, **options: (
    copies(*args, **options).make()
    if options.get('load_weights') is False and args[0][:9] == 'local-dir'
    else create_model(*args, **options))


# The base files of a config are read again for each leaf. What is in those of
# this repository follows from the choices of a command.
CONFIGS = str(Path(__file__).parents[1] / 'configs')
read_file = Config._file2dict
read_once = functools.cache(
    lambda choices, *args, **options: read_file(*args, **options))


def read(filename, *args, **options):
    if not str(filename).startswith(CONFIGS):
        return read_file(filename, *args, **options)
    choices = tuple(item for item in os.environ.items()
                    if item[0].startswith('DEPT_'))
    return deepcopy(read_once(choices, str(filename), *args, **options))


Config._file2dict = staticmethod(read)
