"""Load a frozen language model from its config."""
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.towers import TOWERS

# The class of transformers that loads each family with its word head.
AUTO = dict(bert='AutoModelForMaskedLM', roberta='AutoModelForMaskedLM',
            gpt2='AutoModelForCausalLM', llama='AutoModelForCausalLM',
            mistral='AutoModelForCausalLM', qwen2='AutoModelForCausalLM',
            t5='AutoModelForSeq2SeqLM')


def build_language_model(config: Mapping | FrozenLanguageModel
                         ) -> FrozenLanguageModel:
    """Load a language model with the ``transformers`` library.

    Args:
        config (Mapping | FrozenLanguageModel): A dict with ``name``, a folder
            or a name on the Hugging Face Hub, and optionally ``pretrained``.
            With ``pretrained=False``, weights are random (determined by the
            run's seed) and only config and tokenizer are needed. A model that
            is built already is returned unchanged.

    Raises:
        DeptError: If transformers is not installed, or the model cannot be
            loaded.

    Examples:
        >>> lm = dict(name='t5-base')
    """
    if isinstance(config, FrozenLanguageModel):
        return config
    config = dict(config)
    name = os.path.expanduser(config.pop('name'))
    pretrained = config.pop('pretrained', True)
    if config:
        raise DeptError(f'lm: unknown options {sorted(config)}; known '
                        'options are name and pretrained.')
    hf = import_transformers()
    try:
        found = hf.AutoConfig.from_pretrained(name)
        if found.model_type not in TOWERS:
            raise DeptError(f'Language model {name!r} is a '
                            f'{found.model_type!r}; prompts can be put into '
                            f'{sorted(TOWERS)}.')
        tokenizer = hf.AutoTokenizer.from_pretrained(name)
        auto, absent = getattr(hf, AUTO[found.model_type]), ()
        if pretrained:
            model, info = auto.from_pretrained(
                name, output_loading_info=True)
            absent = sorted(info['missing_keys'])
        else:
            model = auto.from_config(found)
    except (OSError, ValueError) as error:
        if isinstance(error, DeptError):
            raise
        why = str(error).strip().split('\n')[0]
        raise DeptError(f'Language model {name!r} cannot be loaded: it is '
                        'neither a folder with config.json, tokenizer and '
                        f'weights nor a model on the Hub ({why}).') from error
    return FrozenLanguageModel(model.float(), tokenizer, name, absent)


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
