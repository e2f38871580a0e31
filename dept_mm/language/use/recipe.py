"""How the model of an adapter is made."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from string import Formatter
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.exchange.rebuild import is_module_of, refuse_huge
from dept_mm.language.task import Task

KNOWN = 'type', 'lm', 'prompts', 'tuning', 'head', 'max_length'
# Where the classes of each part come from. A registry builds any Python
# object that a `type` with dots names, so every other one is refused.
PLACES = dict(prompts='dept_mm.models.prompts.',
              tuning='dept_mm.language.tuning.',
              head='dept_mm.language.heads.')
# Others let peft import modules, or read patterns that take forever.
PEFT_OPTIONS = ('type', 'r', 'lora_alpha', 'lora_dropout', 'target_modules',
                'layers_to_transform', 'feedforward_modules', 'use_rslora',
                'use_dora', 'bias', 'fan_in_fan_out', 'bottleneck',
                'num_tokens')


def make_recipe(model: Mapping, header: Mapping) -> dict[str, Any]:
    """Make the config of an adapter from that of its training.

    The task is written out, without places on a disk; a budget becomes the
    size that it led to, and initial values are left out.

    Args:
        model (Mapping): ``model`` of the config, in JSON types.
        header (Mapping): What the model has written into the checkpoint.

    Raises:
        DeptError: If the language model has random weights.
    """
    lm, head = dict(model['lm']), dict(model['head'])
    if lm.pop('pretrained', True) in (False, 'False'):
        raise DeptError('The language model of this run has random weights '
                        '(lm.pretrained=False), which no adapter can bring '
                        'back: save it to a folder and train with that.')
    prompts = [dict(prompt) for prompt in model.get('prompts') or []]
    tuning = dict(model['tuning']) if model.get('tuning') else None
    if model.get('budget') is not None:
        part, = [*prompts, tuning] if tuning else prompts  # it sizes one
        for size in header.get('sizes', []):
            part.update(size)
    for prompt in prompts:
        prompt.pop('init', None)
    return dict(
        type='PromptedLanguageModel', lm=lm, prompts=prompts, tuning=tuning,
        head=dict(head, task=describe_task(Task.resolve(head['task']))),
        max_length=model.get('max_length', 256))


def describe_task(task: Task) -> dict[str, Any]:
    """Describe a task in JSON types, without its files."""
    defaults = {f.name: f.default if f.default is not MISSING else {}
                for f in fields(Task)}
    return {key: value for key, value in asdict(task).items()
            if value != defaults[key] and key not in ('files', 'hub')}


def check_recipe(path: Path, model: Any) -> None:
    """Check that the config of an adapter is harmless.

    Args:
        path (Path): The adapter, for messages.
        model (Mapping): The config.

    Raises:
        DeptError: If it names other classes than those of this package, or
            has options that an adapter must not have.
    """
    if not isinstance(model, dict) or set(KNOWN) - model.keys() or not all(
            isinstance(model[key], dict) for key in ('lm', 'head')):
        raise DeptError(f'{path}: its recipe has no language model.')
    unknown = sorted(model.keys() - {*KNOWN}) + sorted(
        model['lm'].keys() - {'name', 'dtype'})
    if unknown or not isinstance(model['lm'].get('name'), str):
        raise DeptError(f'{path}: its recipe has the options {unknown}, which '
                        'an adapter cannot have.')
    _check_numbers(path, model)
    for part, place in PLACES.items():
        given = model[part] or []
        for config in given if isinstance(given, list) else [given]:
            _check_part(path, config, place)
    tuning = model['tuning'] or {}
    targets = tuning.get('target_modules', [])
    unknown = sorted(tuning.keys() - {*PEFT_OPTIONS})
    if unknown or not (isinstance(targets, list) or targets == 'all-linear'):
        raise DeptError(f'{path}: its recipe tunes with '
                        f'{unknown or targets!r:.200}, which an adapter '
                        'cannot have. If you trust it, load it with a config: '
                        'load(CONFIG, FILE).')
    _check_sentences(path, model['head'])


def _check_numbers(path: Path, node: Any) -> None:
    """Refuse numbers that could exhaust the memory."""
    refuse_huge(node, path)
    for item in (node.values() if isinstance(node, dict) else
                 node if isinstance(node, list) else ()):
        _check_numbers(path, item)


def _check_part(path: Path, config: Any, place: str) -> None:
    """Refuse classes that are not of this package."""
    kind = config.get('type') if isinstance(config, dict) else None
    if not is_module_of(kind, place):
        raise DeptError(
            f'{path}: its recipe asks for {kind!r:.200}, which is no such '
            'module of this package. If you trust it, load it with a config '
            'of your own: load(CONFIG, FILE).')


def _check_sentences(path: Path, head: Mapping) -> None:
    """Refuse templates that do more than show texts."""
    task = head.get('task')
    if not isinstance(task, dict) or not isinstance(task.get('columns'), dict):
        raise DeptError(f'{path}: its recipe has no task.')
    for text in (head.get('template'), *(task.get(key) for key in (
            'template', 'causal', 'source'))):
        try:
            fields = list(Formatter().parse(text or ''))
        except (TypeError, ValueError):
            fields = [('', '', 'x', None)]
        if any(name is not None and (
                spec or kind or name not in {*task['columns'], 'mask', 'sep'})
                for _, name, spec, kind in fields):
            raise DeptError(f'{path}: its template {text!r:.200} does more '
                            'than show the texts of the task.')
