"""Load a frozen language model from its config."""
from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from mmengine.utils import digit_version

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.towers import TOWERS

# The class of transformers that loads each family with its word head.
AUTO = dict(bert='AutoModelForMaskedLM', roberta='AutoModelForMaskedLM',
            gpt2='AutoModelForCausalLM', llama='AutoModelForCausalLM',
            mistral='AutoModelForCausalLM', qwen2='AutoModelForCausalLM',
            t5='AutoModelForSeq2SeqLM')


DTYPES = dict(float32=torch.float32, float16=torch.float16,
              bfloat16=torch.bfloat16)


def build_language_model(config: Mapping | FrozenLanguageModel
                         ) -> FrozenLanguageModel:
    """Load a language model with the ``transformers`` library.

    The model that was loaded last stays in memory, so that several runs of
    one process load it once. Each gets modules of its own; see
    ``FrozenLanguageModel.share``.

    Args:
        config (Mapping | FrozenLanguageModel): A dict with ``name``, a folder
            or a name on the Hugging Face Hub, and optionally ``pretrained``
            and ``dtype``. With ``pretrained=False``, weights are random
            (determined by the run's seed) and only config and tokenizer are
            needed. ``dtype`` is ``'float32'``, ``'float16'`` or
            ``'bfloat16'``, and that of the stored weights by default; what is
            learned beside them is always fp32. A model that is built already
            is returned unchanged.

    Raises:
        DeptError: If transformers is not installed, or the model cannot be
            loaded.

    Examples:
        >>> lm = dict(name='t5-base', dtype='bfloat16')
    """
    if isinstance(config, FrozenLanguageModel):
        return config
    config = dict(config)
    name = os.path.expanduser(config.pop('name'))
    pretrained = config.pop('pretrained', True)
    dtype = config.pop('dtype', None)
    if config:
        raise DeptError(f'lm: unknown options {sorted(config)}; known '
                        'options are name, pretrained and dtype.')
    if dtype not in (None, *DTYPES):
        raise DeptError(f'lm: dtype {dtype!r} is not one of {sorted(DTYPES)}.')
    import_transformers()
    try:
        found = (_load_once(name, _stamp(name)) if pretrained
                 else _load(name, False))
    except (OSError, ValueError) as error:
        if isinstance(error, DeptError):
            raise
        why = str(error).strip().split('\n')[0]
        raise DeptError(f'Language model {name!r} cannot be loaded: it is '
                        'neither a folder with config.json, tokenizer and '
                        f'weights nor a model on the Hub ({why}).') from error
    return found.share(DTYPES.get(dtype))


def _stamp(name: str) -> tuple:
    """Tell whether the files of a folder have changed; empty for the Hub."""
    files = sorted(Path(name).glob('*')) if os.path.isdir(name) else []
    return (os.path.abspath(name) if files else None, *(
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in files))


@lru_cache(maxsize=1)
def _load_once(name: str, stamp: tuple) -> FrozenLanguageModel:
    """Load a model whose files have not changed since at most once."""
    return _load(name, True)


def _load(name: str, pretrained: bool) -> FrozenLanguageModel:
    """Load a model with weights as they are stored, or random ones.

    Raises:
        DeptError: If the family is unknown.
        OSError, ValueError: If there is no such model.
    """
    hf = import_transformers()
    config = hf.AutoConfig.from_pretrained(name)
    if config.model_type not in TOWERS:
        raise DeptError(f'Language model {name!r} is a {config.model_type!r}; '
                        f'prompts can be put into {sorted(TOWERS)}.')
    tokenizer = hf.AutoTokenizer.from_pretrained(name)
    auto = getattr(hf, AUTO[config.model_type])
    if not pretrained:
        return FrozenLanguageModel(auto.from_config(config), tokenizer, name)
    # Older ones know the option by its older name, and mean fp32 by default.
    new = digit_version(hf.__version__) >= digit_version('5.0.0')
    known = 'dtype' if new else 'torch_dtype'
    # Random numbers are drawn for weights that the file lacks. A run must not
    # depend on whether its process has loaded the model before.
    with torch.random.fork_rng(devices=[]):
        model, info = auto.from_pretrained(
            name, output_loading_info=True, **{known: 'auto'})
    return FrozenLanguageModel(model, tokenizer, name,
                               sorted(info['missing_keys']))


def import_transformers() -> Any:
    """Import transformers, which nothing else in this package needs.

    Raises:
        DeptError: If transformers is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise DeptError('Language models need transformers: pip install '
                        '"dept-mm[language]".') from error
    return transformers
