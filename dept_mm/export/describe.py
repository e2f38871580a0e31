"""The JSON file beside an exported model."""
from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer

from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.export.text_graph import TextGraph
from dept_mm.models.clip.frozen_clip import weights_digest
from dept_mm.models.clip.tokens import Words
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.version import __version__

LIBRARIES = ('torch', 'open_clip_torch', 'transformers', 'onnx',
             'onnxruntime', 'openvino')


def describe_model(model: TunedModel) -> dict:
    """Describe what the scores are of, in JSON types."""
    module = model.module
    clip, head = module.backbone.clip, module.head
    return dict(
        classes=list(model.classes), trained=trained_classes(model),
        temperature=model.temperature, logit_scale=float(clip.logit_scale),
        parts=[type(part).__name__ for part in (
            module.backbone.prompt, module.neck, head) if part is not None],
        clip=dict(name=clip.name, sha256=clip.digest),
        learned_sha256=weights_digest(module), versions=list_versions())


def list_versions() -> dict[str, str]:
    """List the versions of the libraries that write a file."""
    versions = dict(dept_mm=__version__)
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def describe_source(source: str | Path | None) -> dict | None:
    """Return the name of a model, and the checksum if it is a file."""
    if source is None:
        return None
    path = Path(source).expanduser()
    return dict(name=path.name) | (dict(sha256=hashlib.sha256(
        path.read_bytes()).hexdigest()) if path.is_file() else {})


def trained_classes(model: TunedModel) -> list[bool]:
    """Tell of each class whether the head has learned something of its own
    about it, such as a row of DePT's second head."""
    head = model.module.head
    vocabulary = model.module.backbone.vocabulary
    if not isinstance(head, ClassRowsMixin) or vocabulary is None:
        return [False] * len(model.classes)
    return [key in head.class_ids for key in vocabulary.ids]


def describe_texts(graph: TextGraph, file: str) -> dict:
    """Describe how a class name becomes the input of the text graph.

    Raises:
        DeptError: If the tokenizer is not CLIP's byte pair encoding.
    """
    tokenizer = graph.clip.tokenizer
    if type(tokenizer) is not SimpleTokenizer or (
            tokenizer.clean_fn.__name__ != '_clean_lower'):
        raise DeptError(
            f'The tokenizer of CLIP {graph.clip.name!r} is no byte pair '
            "encoding of OpenAI's CLIP, the only one that can be described "
            'for other languages: export without --open-vocabulary.')
    words = Words(tokenizer)
    return dict(
        file=file, inputs=list(graph.inputs), templates=list(graph.templates),
        rooms=graph.rooms, tokenizer=dict(
            type='clip-bpe', merges='merges.txt', start=words.start,
            end=words.end, pad=words.pad))


def write_merges(graph: TextGraph, path: Path) -> None:
    """Write the merges of the tokenizer, the first one first, a line each."""
    ranks = graph.clip.tokenizer.bpe_ranks
    lines = [' '.join(pair) for pair in sorted(ranks, key=ranks.get)]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
