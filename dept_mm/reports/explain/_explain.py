"""The facts about a config: model, tokens, parameters, cost and schedule."""
from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.data import DataLoader

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip.loading import RANDOM
from dept_mm.registry import MODELS
from dept_mm.reports.explain._cost import evaluation, training_step
from dept_mm.reports.explain._data import advise_on_missing_data, build_loader
from dept_mm.reports.explain._files import measure_files
from dept_mm.reports.explain._language import language_layout
from dept_mm.reports.explain._layout import token_layout
from dept_mm.reports.explain._parameters import list_parameters
from dept_mm.reports.explain._schedule import Rehearsal
from dept_mm.structures import Vocabulary

STOCK_IMAGE_SIZE = 224  # if the backbone does not know its image size


def explain(cfg: Config, processes: int = 1) -> dict:
    """Build the model of a config and collect facts about it, without
    training.

    Args:
        cfg (Config): A config, usually after ``use_random_weights``.
        processes (int): Number of processes that would share the training.
            Defaults to 1.

    Returns:
        dict: ``model``, ``layout``, ``parameters``, ``training`` (None if
        nothing is trained), ``evaluation`` (None without test data) and
        ``notes``, in JSON types.

    Raises:
        DeptError: If the data set cannot be read, or the model is neither an
            image classifier nor a language model.
    """
    if not {'backbone', 'lm'} & cfg.model.keys():
        raise DeptError(f'{cfg.model.type} is neither an image classifier nor '
                        'a language model: there is nothing to explain.')
    scope = cfg.get('default_scope', 'mmpretrain')
    with DefaultScope.overwrite_default_scope(scope):
        notes = _adapt_to_machine(cfg)
        with advise_on_missing_data():
            model = MODELS.build(cfg.model)
        trained = cfg.get('train_cfg') and build_loader(cfg,
                                                        'train_dataloader')
        tested = build_loader(cfg, 'test_dataloader', 'val_dataloader')
        batch = trained.batch_size if trained else 1
        if trained:
            _set_vocabulary(model, trained)
        facts = dict(model=_summarize_model(model),
                     layout=(language_layout(model) if hasattr(model, 'lm')
                             else token_layout(model, batch)),
                     parameters=list_parameters(model))
        facts['training'] = facts['evaluation'] = None
        if trained and facts['parameters']['learned']:
            facts['training'] = _explain_training(
                model, trained, cfg, processes, facts['parameters'])
        if tested:
            facts['evaluation'] = _explain_evaluation(model, tested)
        return dict(facts, notes=notes)


def _adapt_to_machine(cfg: Config) -> list[str]:
    """Replace options that need a GPU if there is none, in place.

    Returns:
        list[str]: Notes that a reader of the facts should know.
    """
    notes = []
    clip = cfg.model.get('backbone', {}).get('clip') or {}
    if clip.get('pretrained') == RANDOM:
        notes.append('the weights of CLIP are random; nothing here depends '
                     'on them.')
    if torch.cuda.is_available():
        return notes
    if cfg.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper':
        cfg.optim_wrapper = {
            k: v for k, v in cfg.optim_wrapper.items()
            if k not in ('loss_scale', 'dtype')
        } | dict(type='BF16OptimWrapper')
        notes.append('AmpOptimWrapper needs a GPU; here it is bfloat16.')
    if 'fp16' in clip.get('precision', ''):
        notes.append(f'precision {clip["precision"]} needs a GPU; here it is '
                     'fp32.')
    return notes


def _summarize_model(model: nn.Module) -> dict:
    if hasattr(model, 'lm'):
        prompts = [model.input_prompt or None, *model.late_prompts]
        return dict(
            language_model=model.lm.name, prompts=', '.join(
                type(p).__name__ for p in prompts if p),
            tuning=model.tuning and type(model.tuning).__name__,
            head=type(model.head).__name__)
    backbone = model.backbone
    found = dict(backbone=type(backbone).__name__, clip=None, prompt=None,
                 neck=model.neck and type(model.neck).__name__,
                 head=type(model.head).__name__)
    if isinstance(backbone, PromptedCLIP):
        found['clip'] = backbone.clip.name
        found['prompt'] = backbone.prompt and type(backbone.prompt).__name__
    return found


def _set_vocabulary(model: nn.Module, loader: DataLoader) -> None:
    """Score the classes of this data set, as ``VocabularyHook`` does."""
    meta = getattr(loader.dataset, 'metainfo', {})
    if _has_vocabulary(model) and meta.get('classes'):
        model.backbone.set_vocabulary(Vocabulary.from_metainfo(meta))


def _has_vocabulary(model: nn.Module) -> bool:
    backbone = getattr(model, 'backbone', None)
    return getattr(backbone, 'vocabulary', None) is not None


def _find_image_size(model: nn.Module) -> int:
    if hasattr(model, 'lm'):
        raise DeptError('tools/benchmarks/language.py counts the arithmetic '
                        'of language models.')
    clip = getattr(model.backbone, 'clip', None)
    return clip.spec.image_size if clip else STOCK_IMAGE_SIZE


def _explain_training(model: nn.Module, loader: DataLoader, cfg: Config,
              processes: int, parameters: dict) -> dict:
    run = Rehearsal(model, loader, cfg, processes)
    context = getattr(run.optim_wrapper, 'optim_context',
                      lambda _: nullcontext())
    learned = parameters['learned_bytes']
    memory = dict(learned=learned, gradients=learned,
                  optimiser=run.count_state_bytes(),
                  frozen=parameters['frozen_bytes'])
    groups = run.list_groups()
    cost = _count_or_say_why(lambda: training_step(
        model, loader.batch_size, _find_image_size(model), context))
    if isinstance(cost, dict):
        memory.update({f'kept by {part}': row.kept
                       for part, row in cost.items() if row.kept})
        cost = {part: row._asdict() for part, row in cost.items()}
    return dict(
        images=len(loader.dataset), batch_size=loader.batch_size,
        processes=processes, steps_per_epoch=run.steps, steps=run.max_iters,
        epochs=-(-run.max_iters // run.steps),
        accumulate=getattr(run.optim_wrapper, '_accumulative_counts', 1),
        classes=(len(model.backbone.vocabulary.base) if _has_vocabulary(model)
                 else None),
        groups=groups, flop=cost, memory=memory,
        files=measure_files(model, run, cfg))


def _explain_evaluation(model: nn.Module, loader: DataLoader) -> dict:
    _set_vocabulary(model, loader)
    images = len(loader.dataset)
    return dict(
        images=images, batch_size=loader.batch_size,
        classes=(len(model.backbone.vocabulary) if _has_vocabulary(model)
                 else None),
        flop=_count_or_say_why(lambda: evaluation(
            model, loader.batch_size, _find_image_size(model), images)))


def _count_or_say_why(count: Callable[[], dict]) -> dict | str:
    """Return what ``count`` returns, or why it cannot count.

    For example, class-specific contexts cannot score new classes, and the cost
    of some towers depends on values.
    """
    try:
        return count()
    except (DeptError, RuntimeError) as error:
        return f'not counted: {error}'
