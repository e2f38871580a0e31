"""Run exported files, and compare them with PyTorch."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.export.write import Graph, require

# A share of the largest value; both compute in fp32, in another order.
TOLERANCE = 1e-4
Run = Callable[..., dict[str, np.ndarray]]


def open_file(path: Path, graph: Graph) -> Run:
    """Open an exported file with the runtime that it is for.

    Args:
        path (Path): The file.
        graph (Graph): What it was made of. An input that
            has no influence may be missing in the file.

    Returns:
        Run: Takes arrays in the order of the graph's inputs, and returns its
        outputs by name.
    """
    if path.suffix == '.pt':
        with warnings.catch_warnings():
            # It is deprecated, but what follows it needs Python.
            warnings.simplefilter('ignore')
            module = torch.jit.load(path)
        return lambda *given: _name(graph, [
            x.numpy() for x in module(*map(torch.from_numpy, given))])
    if path.suffix == '.xml':
        compiled = require('openvino').compile_model(
            path, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        there = [x.any_name for x in compiled.inputs]

        def call(given: dict) -> list[np.ndarray]:
            return list(compiled(given).values())
    else:
        session = require('onnxruntime').InferenceSession(
            path, providers=['CPUExecutionProvider'])
        there = [x.name for x in session.get_inputs()]

        def call(given: dict) -> list[np.ndarray]:
            return session.run(list(graph.outputs), given)

    # With preprocessing, the input of images has another name.
    names = there if len(graph.inputs) == 1 else graph.inputs
    return lambda *given: _name(graph, call({
        name: x for name, x in zip(names, given, strict=True)
        if name in there}))


def _name(graph: Graph, found: Sequence[np.ndarray]
          ) -> dict[str, np.ndarray]:
    return dict(zip(graph.outputs, found, strict=True))


def check_same(what: str, expected: Mapping[str, Tensor],
               found: Mapping[str, np.ndarray]) -> float:
    """Compare the outputs of an exported file with those of PyTorch.

    Args:
        what (str): Name of the file, for messages.
        expected (Mapping[str, Tensor]): Of PyTorch.
        found (Mapping[str, np.ndarray]): Of the file.

    Returns:
        float: The largest difference of the first output.

    Raises:
        DeptError: If an output differs by more than 1e-4 of its largest
            value (of 1, if all are smaller).
    """
    differences = []
    for name, value in expected.items():
        a, b = value.numpy().astype(float), found[name].astype(float)
        limit = TOLERANCE * max(1, np.abs(a[np.isfinite(a)]).max(initial=0))
        # Equal infinities do not differ.
        off = np.abs(np.subtract(a, b, where=a != b, out=np.zeros_like(a))
                     ).max() if a.shape == b.shape else np.inf
        if not off <= limit:
            raise DeptError(
                f'{what} is wrong: its {name} differ from those of PyTorch '
                f'by {off:.3g}, but may by {limit:.3g}. The exporter has '
                'taken something for a constant that depends on the input. '
                'Do not use the file; please report the model.')
        differences.append(float(off))
    return differences[0]
