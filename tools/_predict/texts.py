"""Answer questions about texts on the command line."""
from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import TYPE_CHECKING

from dept_mm.cli.progress import show_progress
from dept_mm.errors import DeptError
from dept_mm.reports.text_predictions import (
    TextPredictionFile,
    format_text_prediction,
)

if TYPE_CHECKING:
    from dept_mm.language.use import TunedTextModel

WIDEST = 60  # characters of a text that are printed


def add_options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Add the options that only texts have."""
    add = parser.add_argument_group('texts only').add_argument
    return [
        add('--files', nargs='+', default=[], metavar='FILE', help='read '
            'texts: .txt files with a text in each line, and csv, tsv or '
            'jsonl files with the columns of the task'),
        add('--lm', metavar='NAME', help='the language model, where an '
            'adapter gives a place instead of a name')]


def run(model: TunedTextModel, args: argparse.Namespace) -> int:
    """Do what was asked for; return the exit status."""
    from dept_mm.language.use import gather_texts, read_texts
    head = model.module.head
    texts = gather_texts(args.inputs, head) if args.inputs else []
    for path in args.files:
        texts += read_texts(path, head)
    if not texts:
        columns = [head.task.columns[name] for name in model.names]
        raise DeptError('There are no texts: give them, or --files with the '
                        f'columns {columns}.')
    if len(args.devices or []) > 1:
        raise DeptError('--devices: a language model runs on one device.')
    width = min(max(len(text) for one in texts for text in one.values()),
                WIDEST)
    with (TextPredictionFile(args.out, model.names,
                             min(args.k, len(model.classes)))
          if args.out else nullcontext()) as file:
        for found in show_progress(model.predict_each(
                texts, args.k, args.batch_size), len(texts)):
            if file:
                file.add(found)
            else:
                print(format_text_prediction(found, width))
    if args.out:
        print(f'{len(texts)} texts answered: {args.out}')
    return 0
