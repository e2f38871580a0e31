"""Export a tuned language model for runtimes without PyTorch."""
from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.export.describe import describe_source, list_versions
from dept_mm.export.export import Exported
from dept_mm.export.language_graph import LanguageGraph
from dept_mm.export.run import Run, check_same, open_file
from dept_mm.export.score import Score, add_scores
from dept_mm.export.write import write
from dept_mm.models.clip.frozen_clip import weights_digest
from dept_mm.registry import DATASETS

if TYPE_CHECKING:
    from dept_mm.language import Tokens
    from dept_mm.language.use import TunedTextModel

# Words of the texts that files are traced with, and checked on; one that is
# too long joins them.
TRACED, CHECKED = (3, 5), (1, 20, 2, 9)
AT_ONCE = 32  # texts


def export_language_model(model: TunedTextModel, folder: str | Path,
                          source: str | Path | None = None) -> Exported:
    """Write a language model as ONNX, and check it against PyTorch.

    Args:
        model (TunedTextModel): It stays as it is.
        folder (str | Path): Gets ``model.onnx``, its description
            ``model.json``, and the files of its tokenizer.
        source (str | Path, optional): Where the model is from: its file, for
            the description.

    Raises:
        DeptError: If the model cannot be exported, a library is missing, or
            the file does not compute what PyTorch computes.
    """
    graph = LanguageGraph(model)
    tokens = _ask(model, (*CHECKED, model.module.head.max_length))
    expected = compute_scores(model, tokens)
    out = Exported(Path(folder))
    out.folder.mkdir(parents=True, exist_ok=True)
    path = out.folder / 'model.onnx'
    write(graph, list(_as_inputs(_ask(model, TRACED))), path)
    run = open_file(path, graph)
    out.differences[path.name] = check_same(
        path.name, {name: expected[name] for name in graph.outputs},
        run(*(x.numpy() for x in _as_inputs(tokens))))
    out.runs[path.name] = run
    description = out.folder / 'model.json'
    description.write_text(json.dumps(
        dict(describe_language_model(model), file=path.name,
             inputs=list(graph.inputs), outputs=list(graph.outputs),
             source=describe_source(source)),
        indent=2, ensure_ascii=False) + '\n', encoding='utf-8')
    out.files += [path, description, *_write_tokenizer(model, out.folder)]
    return out


def describe_language_model(model: TunedTextModel) -> dict:
    """Describe how texts become tokens and what the scores are of, in JSON
    types."""
    module = model.module
    return dict(
        classes=list(model.classes), texts=list(model.names),
        template=module.head.template, signs=module.head.signs,
        max_length=module.head.max_length,
        parts=[type(part).__name__ for part in (module.tuning, module.head)
               if part is not None],
        lm=dict(name=module.lm.name, sha256=module.lm.digest),
        learned_sha256=weights_digest(module), versions=list_versions())


def score_language_files(model: TunedTextModel, files: Mapping[str, Run]
                         ) -> tuple[int, dict[str, Score]]:
    """Score files on the test texts of the model's config.

    Args:
        model (TunedTextModel): The model.
        files (Mapping[str, Run]): Name -> opened file.

    Returns:
        tuple[int, dict[str, Score]]: The number of texts, and the score of
        ``'PyTorch'`` and of each file.

    Raises:
        DeptError: If the config has no test texts, or there are no classes.
    """
    config = ((model.config or {}).get('test_dataloader') or {}).get(
        'dataset', {})
    if 'type' not in config or not model.classes:
        raise DeptError('There are no test texts with classes: give the work '
                        'dir of the run, whose config names them.')
    dataset = DATASETS.build(dict(config, test_mode=True))
    scores = {name: Score() for name in ('PyTorch', *files)}
    for start in range(0, len(dataset), AT_ONCE):
        rows = [dataset[i] for i in range(
            start, min(start + AT_ONCE, len(dataset)))]
        tokens = model.module.head.ask([row['inputs'] for row in rows])
        expected = compute_scores(model, tokens)
        given = [x.numpy() for x in _as_inputs(tokens)]
        found = {name: run(*given)['probabilities']
                 for name, run in files.items()}
        add_scores(scores, expected['logits'].numpy(),
                   expected['probabilities'].numpy(), found,
                   [int(row['data_samples'].gt_label) for row in rows])
    return len(dataset), scores


@torch.no_grad()
def compute_scores(model: TunedTextModel, tokens: Tokens
                   ) -> dict[str, Tensor]:
    """Compute logits and probabilities ``(B, C)`` by PyTorch."""
    module = model.module
    logits = module.head.score_tokens(module.encode, tokens).float().cpu()
    return dict(logits=logits, probabilities=logits.softmax(1))


def _ask(model: TunedTextModel, lengths: tuple[int, ...]) -> Tokens:
    """Make texts of so many words, always the same."""
    words = 'no film was ever so bad or so good as this one'.split()
    texts = [' '.join(words[i % len(words)] for i in range(length))
             for length in lengths]
    return model.module.head.ask(
        [dict.fromkeys(model.names, text) for text in texts])


def _as_inputs(tokens: Tokens) -> tuple[Tensor, Tensor]:
    """Return token ids and mask as the graph wants them."""
    return tokens.ids.cpu(), tokens.mask.long().cpu()


def _write_tokenizer(model: TunedTextModel, folder: Path) -> list[Path]:
    """Write the tokenizer, which pads on the right, as the graph wants it."""
    tokenizer = copy(model.module.lm.tokenizer)
    tokenizer.padding_side = 'right'
    return [Path(path) for path in tokenizer.save_pretrained(folder)
            if Path(path).is_file()]
