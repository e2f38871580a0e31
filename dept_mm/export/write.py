"""Write graphs in the formats of other runtimes."""
from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.export.image_graph import ImageGraph
from dept_mm.export.language_graph import LanguageGraph
from dept_mm.export.preprocessing import OPSET
from dept_mm.export.text_graph import TextGraph

Graph = ImageGraph | TextGraph | LanguageGraph
SUFFIXES = dict(onnx='.onnx', torchscript='.pt', openvino='.xml')


def require(name: str):
    """Import a library that only exports need.

    Raises:
        DeptError: If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition('.')[0]
        raise DeptError(f'This export needs {package}: pip install {package}'
                        ', or all of pip install "dept-mm[export]".'
                        ) from error


@torch.no_grad()
def write(graph: Graph, example: Sequence[Tensor], path: Path) -> None:
    """Write a graph in the format that the path's suffix names.

    Args:
        graph (Graph): What to write.
        example (Sequence[Tensor]): Inputs to trace it with.
        path (Path): Ends in one of ``SUFFIXES``.

    Raises:
        DeptError: If torch cannot write what a part of the model does, which
            it names.
    """
    kind = next(k for k, suffix in SUFFIXES.items() if suffix == path.suffix)
    require(dict(torchscript='torch').get(kind, kind))
    try:
        with warnings.catch_warnings():
            # What does not depend on the input is a constant, as intended.
            warnings.simplefilter('ignore')
            WRITERS[kind](graph, tuple(example), path)
    except DeptError:
        raise
    # Each exporter raises what it likes.
    except Exception as error:
        raise DeptError(
            f'{graph.part} cannot be exported to {kind}: '
            f'{type(error).__name__}: {str(error).strip()[:500]}') from error


def _write_onnx(graph: nn.Module, example: tuple[Tensor, ...], path: Path
                ) -> None:
    """Write it by the exporter that traces: it writes all models of this
    package in a tenth of the time of the other one, which stops at some."""
    require('onnx')
    options = dict(dynamo=False) if torch.__version__ >= '2.5' else {}
    torch.onnx.export(
        graph, example, str(path), input_names=list(graph.inputs),
        output_names=list(graph.outputs), dynamic_axes=graph.axes,
        opset_version=OPSET, **options)


def _write_torchscript(graph: nn.Module, example: tuple[Tensor, ...],
                       path: Path) -> None:
    torch.jit.trace(graph, example, check_trace=False).save(str(path))


def _write_openvino(graph: nn.Module, example: tuple[Tensor, ...], path: Path
                    ) -> None:
    openvino = require('openvino')
    with TemporaryDirectory() as folder:
        source = Path(folder, 'model.onnx')
        _write_onnx(graph, example, source)
        openvino.save_model(openvino.convert_model(source), path,
                            compress_to_fp16=False)


WRITERS = dict(onnx=_write_onnx, torchscript=_write_torchscript,
               openvino=_write_openvino)


def write_int8(source: Path, path: Path) -> None:
    """Write an ONNX file with the weights of matrices in int8.

    Convolutions stay as they are: a CNN in int8 takes a quarter of the room,
    but onnxruntime runs it several times slower, and it errs more.
    """
    quantization = require('onnxruntime.quantization')
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it asks for steps that change nothing
    try:
        quantization.quantize_dynamic(
            source, path, weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=['MatMul', 'Gemm'])
    finally:
        logging.disable(disabled)
