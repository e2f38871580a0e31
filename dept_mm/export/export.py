"""Export a tuned model for runtimes without Python."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.export.describe import (
    describe_model,
    describe_source,
    describe_texts,
    write_merges,
)
from dept_mm.export.image_graph import ImageGraph
from dept_mm.export.preprocessing import (
    add_preprocessing,
    describe_preprocessing,
)
from dept_mm.export.run import Run, check_same, open_file
from dept_mm.export.text_graph import TextGraph
from dept_mm.export.write import SUFFIXES, write, write_int8

# Sides of the images that files are checked on: a tall, a wide and two small.
SIDES = ((150, 100), (90, 160), (40, 60), (64, 64))


@dataclass
class Exported:
    """What was written.

    Attributes:
        folder (Path): Where.
        files (list[Path]): All of it.
        runs (dict[str, Run]): Name of each file of the image side -> the
            opened file.
        differences (dict[str, float]): Name of each file that must equal
            PyTorch -> largest difference of its first output.
        texts (TextGraph, optional): The text side; it tokenises names.
        resized (float, optional): Largest difference of a probability that
            comes from preparing images in the graph.
    """
    folder: Path
    files: list[Path] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    texts: TextGraph | None = None
    resized: float | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file."""
        return {path.name: path.stat().st_size for path in self.files}


def export_model(model: TunedModel, folder: str | Path,
                 format: str = 'onnx', with_preprocessing: bool = False,
                 open_vocabulary: bool = False, int8: bool = False,
                 source: str | Path | None = None) -> Exported:
    """Write a model for other runtimes, and check it against PyTorch.

    Args:
        model (TunedModel): It stays as it is.
        folder (str | Path): Gets ``model.onnx`` (or ``.pt``, ``.xml``) and
            its description ``model.json``; for an open vocabulary
            ``text.onnx`` and ``merges.txt``; for int8 ``model.int8.onnx``.
        format (str): ``'onnx'``, ``'torchscript'`` or ``'openvino'``.
        with_preprocessing (bool): Whether the graph takes bytes ``(B, H, W,
            3)`` of images of any size; with ONNX.
        open_vocabulary (bool): Whether to write the text side, too.
        int8 (bool): Whether to write a second file with weights in int8;
            with ONNX. It need not equal PyTorch.
        source (str | Path, optional): Where the model is from: its file, for
            the description.

    Raises:
        DeptError: If a part of the model cannot be exported, a library is
            missing, or a file does not compute what PyTorch computes.
    """
    if format != 'onnx' and (with_preprocessing or int8):
        raise DeptError('Preprocessing and int8 weights are for --format '
                        f'onnx, not for {format}.')
    out = Exported(Path(folder))
    rule = describe_preprocessing(model)
    graph = ImageGraph(model, open_vocabulary)
    out.folder.mkdir(parents=True, exist_ok=True)
    path = out.folder / f'model{SUFFIXES[format]}'
    _export_images(model, graph, out, path,
                   rule if with_preprocessing else None)
    if int8:
        small = path.with_suffix('.int8.onnx')
        write_int8(path, small)
        out.runs[small.name] = open_file(small, graph)
        out.files.append(small)
    description = dict(
        file=path.name,
        input='images' if with_preprocessing else 'pixels',
        outputs=list(graph.outputs), preprocessing=rule,
        **describe_model(model), source=describe_source(source))
    if open_vocabulary:
        description['texts'] = _export_texts(graph, out, path.suffix)
    out.files.append(out.folder / 'model.json')
    out.files[-1].write_text(
        json.dumps(description, indent=2, ensure_ascii=False) + '\n',
        encoding='utf-8')
    return out


def _export_images(model: TunedModel, graph: ImageGraph, out: Exported,
                   path: Path, rule: dict | None) -> None:
    """Write the image side and check it; then, where there is a rule, let it
    prepare images by it."""
    images = _draw_images()
    pixels = model.pixels(images)
    write(graph, [pixels[:2]], path)
    with torch.no_grad():
        expected = dict(zip(graph.outputs, graph(pixels), strict=True),
                        logits=model.logits(pixels))
    run = open_file(path, graph)
    out.differences[path.name] = check_same(
        path.name, expected, run(pixels.numpy()))
    if rule is not None:
        add_preprocessing(path, rule)
        run = open_file(path, graph)
        found = [run(np.ascontiguousarray(x[None, ..., ::-1]))
                 ['probabilities'] for x in images]
        out.resized = float(np.abs(np.concatenate(found) - expected[
            'probabilities'].numpy()).max())
    out.runs[path.name] = run
    out.files.append(path)
    if path.suffix == '.xml':
        out.files.append(path.with_suffix('.bin'))


def _draw_images() -> list[np.ndarray]:
    """Draw images ``(H, W, 3)`` without detail, always the same."""
    noise = torch.rand(len(SIDES), 3, 6, 6, generator=torch.manual_seed(0))
    return [(255 * nn.functional.interpolate(x[None], side, mode='bilinear'))
            [0].permute(1, 2, 0).byte().numpy()
            for x, side in zip(noise, SIDES, strict=True)]


def _export_texts(graph: ImageGraph, out: Exported, suffix: str) -> dict:
    """Write the text side, check it on the classes, and describe it."""
    backbone = graph.module.backbone
    out.texts = texts = TextGraph(backbone)
    path = out.folder / f'text{suffix}'
    description = describe_texts(texts, path.name)
    names = backbone.vocabulary.names
    # Another number of classes, and of tokens, than those of the check.
    write(texts, texts.tokenize((*names[:1], 'x y z')), path)
    weights = nn.functional.normalize(
        graph.classifier[:, :backbone.clip.spec.embed_dim].float(), dim=-1)
    run = open_file(path, texts)
    out.differences[path.name] = check_same(
        path.name, dict(class_weights=backbone.clip.logit_scale * weights),
        run(*(x.numpy() for x in texts.tokenize(names))))
    out.files += [path, out.folder / 'merges.txt']
    write_merges(texts, out.files[-1])
    return description
