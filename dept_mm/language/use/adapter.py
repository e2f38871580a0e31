"""Adapters of language models; see :mod:`dept_mm.exchange.adapter_file`."""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mmengine.runner.checkpoint import load_state_dict

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import AdapterFile
from dept_mm.exchange.adapter_header import TEXT_FORMAT
from dept_mm.exchange.adapter_writer import read_headers, write_parts
from dept_mm.exchange.publish import Run
from dept_mm.language.model import PromptedLanguageModel
from dept_mm.language.use.recipe import check_recipe, make_recipe


def write_text_adapter(path: str | Path, run: Run) -> None:
    """Write what a language model has learned as an adapter.

    Args:
        path (str | Path): The file; its name must end in ``.safetensors``.
        run (Run): Its checkpoint.

    Raises:
        DeptError: If nobody could load the adapter, or it cannot be written.
    """
    recipe = make_recipe(run.recipe.get('model', {}),
                         read_headers(run.state)[''])
    write_parts(path, dict(format=TEXT_FORMAT, recipe=dict(model=recipe)),
                run.state)


def load_text_adapter(file: AdapterFile, lm: str | Mapping | None = None,
                      device: str = 'cpu') -> PromptedLanguageModel:
    """Build the model of an adapter, ready to answer.

    It needs neither the config nor the data set of the training. The language
    model must have the same weights. Only modules of this package are built.

    Args:
        file (AdapterFile): The adapter.
        lm (str | Mapping, optional): The language model, where the file gives
            a place instead of a name that is known everywhere; see
            ``build_language_model``.
        device (str): Where to put the model. Defaults to the CPU.

    Raises:
        DeptError: If the file names something unsafe, is of another language
            model, or does not hold what its recipe says.
    """
    model = file.header['recipe'].get('model')
    check_recipe(file.path, model)
    config = dict(model, lm=_choose(file, model['lm'], lm))
    config.pop('type')
    try:
        found = PromptedLanguageModel(**config)
        load_state_dict(found, file.state_dict, strict=True)
    except DeptError as error:
        raise DeptError(f'{file.path}: {error}') from error
    # A file from a stranger may lead to any error.
    except Exception as error:
        raise DeptError(f'{file.path}: no model can be built from its recipe '
                        f'and its tensors: {str(error)[:500]}') from error
    return found.to(device).eval()


def _choose(file: AdapterFile, known: Mapping, given: str | Mapping | None
            ) -> dict:
    """Choose the language model.

    Raises:
        DeptError: If the file gives a place: a file from a stranger must not
            decide what is downloaded, nor what is read from this disk.
    """
    given = dict(name=given) if isinstance(given, str) else given
    # Names without an owner are those that the Hub itself looks after.
    if given is None and not re.fullmatch(r'\w[\w.-]*', known['name']):
        raise DeptError(
            f'{file.path} was made with language model '
            f'{known["name"]!r:.200}: a place, not a name that is known '
            'everywhere. If you trust it, or have the same model elsewhere, '
            'give load(..., lm=NAME), or --lm NAME: a folder, or a name on '
            'the Hub.')
    return dict(known) | dict(given or {})
