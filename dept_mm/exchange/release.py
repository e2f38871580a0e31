"""Write a zoo: adapters with their configs and with what was measured."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dept_mm.evaluation import harmonic_mean, list_metrics, read_result
from dept_mm.exchange.adapter_file import (
    SUFFIX,
    AdapterFile,
    read_adapter,
)
from dept_mm.exchange.publish import publish_checkpoint
from dept_mm.exchange.zoo import INDEX
from dept_mm.utils.files import write_atomically

CHECKSUMS = 'SHA256SUMS'


def add_model(folder: Path, name: str, checkpoint: Path, result: Path
              ) -> dict[str, Any]:
    """Write the adapter, the config and the result of a run into a zoo.

    Args:
        folder (Path): The folder of the zoo.
        name (str): Name of the model and of its files.
        checkpoint (Path): The checkpoint that the run has measured.
        result (Path): The ``result.json`` of the run.

    Returns:
        dict: The entry of the model in ``metafile.yml``.

    Raises:
        DeptError: If no adapter can be made of the checkpoint.
    """
    found = read_result(result)
    adapter = publish_checkpoint(checkpoint, folder / name).rename(
        folder / f'{name}{SUFFIX}')
    measured = folder / f'{name}.result.json'
    write_atomically(measured, result.read_bytes())
    file = read_adapter(adapter)
    recipe = json.dumps(file.header['recipe'], indent=1)
    write_atomically(folder / f'{name}.json', recipe.encode())
    return {
        'Name': name,
        'Metadata': {
            **_describe(file), 'Training Data': found['dataset'],
            'Shots': found['shots'], 'Seed': found['seed'],
            'Recipe': found['config'],
            'Evidence': f'measured, {measured.name}'},
        'Results': [{
            'Task': 'Image Classification',
            'Dataset': f'{dataset} ({found["protocol"]})',
            'Metrics': _name_metrics(list_metrics(row))}
            for dataset, row in found['results']['tuned'].items()],
        'Weights': adapter.name,
        'Config': f'{name}.json'}


def _describe(file: AdapterFile) -> dict[str, Any]:
    """Say what the model of an adapter is made of."""
    model = file.header['recipe']['model']
    parts = (model['backbone'], model['backbone'].get('prompt'),
             model.get('neck'), model['head'])
    return {
        'Architecture': [part['type'] for part in parts if part],
        'Parameters': sum(v.numel() for v in file.tensors.values()),
        'CLIP': file.header['modules']['backbone']['clip']['name']}


def write_index(folder: Path, models: Sequence[Mapping[str, Any]]) -> None:
    """Write ``metafile.yml``, from which MMPretrain knows the models.

    Args:
        folder (Path): The folder of the zoo.
        models (Sequence[Mapping]): The entries of its models.
    """
    text = yaml.safe_dump(dict(Models=list(models)), sort_keys=False)
    write_atomically(folder / INDEX, text.encode())


def write_checksums(folder: Path) -> None:
    """Write the sha256 of all other files, as ``sha256sum -c`` reads them."""
    lines = [f'{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n'
             for path in sorted(folder.iterdir())
             if path.is_file() and path.name != CHECKSUMS]
    write_atomically(folder / CHECKSUMS, ''.join(lines).encode())


def _name_metrics(found: Mapping[str, float]) -> dict[str, float]:
    """Name accuracies in % as metafiles do; without new classes, those of
    'base' are all."""
    if list(found) == ['base']:
        return {'Top 1 Accuracy': round(found['base'], 2)}
    named = {half.title(): round(value, 2) for half, value in found.items()}
    if {'base', 'new'} <= set(found):
        named['H'] = round(harmonic_mean(found['base'], found['new']), 2)
    return named
