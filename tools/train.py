"""Train a model: ``python tools/train.py CONFIG [options]``."""
import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from dept_mm.cli.arguments import (
    VISUALISERS,
    cache_features,
    common_parser,
    load_config,
    log_to,
    set_loader_defaults,
    user_errors,
)
from dept_mm.cli.ending import (
    choose_inputs,
    describe_selection,
    format_result,
    list_commands,
)
from dept_mm.cli.launch import init_launcher
from dept_mm.cli.screen import Screen, fill
from dept_mm.config import SELECTIONS, config_fingerprint, select_epoch
from dept_mm.engine.account import describe_training
from dept_mm.engine.hooks import DryRunHook, ScreenHook
from dept_mm.engine.runner import build_runner
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.reports.html import try_report


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = common_parser('Train a model')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='resume from this checkpoint, or without a value from the '
        'newest intact one in the work dir')
    parser.add_argument(
        '--no-validate',
        action='store_true',
        help='do not evaluate during training')
    parser.add_argument(
        '--select',
        choices=SELECTIONS,
        help='keep the epoch that is best on validation images, which are '
        'held out of the training data, and test that one')
    parser.add_argument(
        '--patience',
        type=int,
        metavar='N',
        help='with --select: end after N validations without a better one')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the ratio of the actual batch size '
        'to `auto_scale_lr.base_batch_size`')
    parser.add_argument(
        '--cache-features',
        nargs='?',
        type=int,
        const=-1,
        metavar='VIEWS',
        help='run the frozen image tower once, store its features and train '
        'on them (or store what a teacher, or its lower blocks alone, give): '
        'on one view (draw of the augmentation) per epoch, which '
        'is exact, or on VIEWS views in turn; 0 stores test images only')
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='restart the data loader workers in each epoch')
    parser.add_argument(
        '--log',
        nargs='+',
        choices=VISUALISERS,
        default=[],
        help='log to these, too')
    parser.add_argument(
        '--verbose',
        action='store_true',
        help="show the host library's whole log, which the log file has in "
        'any case')
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='run a few batches, keep nothing, and say what training will do '
        'and how long it will take')
    return parser.parse_args(argv)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options of training to a config, in place."""
    if args.patience is not None and args.select is None:
        raise DeptError('--patience needs --select val, which says by what '
                        'an epoch is better.')
    if args.select is not None:
        select_epoch(cfg, args.select, args.patience)
    if args.no_validate:
        if args.select is not None:
            raise DeptError('--select needs the validation that --no-validate '
                            'leaves out.')
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp and torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    elif args.amp:  # AmpOptimWrapper refuses to run on a CPU
        cfg.optim_wrapper.type = 'BF16OptimWrapper'
    if args.log:
        log_to(cfg, args.log)
    if args.dry_run and (args.launcher != 'none' or args.resume is not None):
        raise DeptError('--dry-run measures one process that starts anew: '
                        'leave out --launcher and --resume.')
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr'):
            raise DeptError('--auto-scale-lr needs `auto_scale_lr = '
                            f'dict(base_batch_size=...)` in {args.config}')
        cfg.auto_scale_lr.enable = True
    if args.cache_features is not None and not args.dry_run:
        views = args.cache_features
        cache_features(cfg, args.feature_dir, None if views == -1 else views)
    set_loader_defaults(
        cfg, ['train_dataloader', 'val_dataloader', 'test_dataloader'],
        pin_memory=not args.no_pin_memory,
        persistent_workers=not args.no_persistent_workers)


def train(cfg: Config, screen: Screen, verbose: bool = False) -> None:
    """Train, and say what a person wants to know of it."""
    runner = build_runner(cfg, quiet=not verbose)
    if not is_main_process():
        with open(os.devnull, 'w') as nowhere, redirect_stdout(
                sys.stdout if verbose else nowhere):
            runner.train()
        return
    if not verbose:
        runner.register_hook(ScreenHook(screen))
    runner.train()
    screen.close()
    say_ending(runner, screen, verbose)


def rehearse(cfg: Config, screen: Screen, verbose: bool = False) -> None:
    """Run a few batches of everything in a folder that is removed, and say
    what training will take."""
    work_dir, hook = cfg.work_dir, DryRunHook()
    cfg.visualizer = dict(type='Visualizer')  # it would tell others
    with TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = build_runner(cfg, quiet=not verbose)
        runner.register_hook(hook)
        runner.train()
    screen.say(fill(describe_training(runner)))
    screen.say(fill(hook.report(work_dir)))


def say_ending(runner: Runner, screen: Screen, verbose: bool) -> None:
    """Print the table and the commands that use what was trained."""
    folder = Path(runner.cfg.work_dir)
    result, report = find_result(runner), None
    if result is not None:
        for text in format_result(result), describe_selection(result):
            if text:
                screen.say(f'\n{text}')
        if (report := try_report(folder)) and not verbose:
            screen.say(f'\nReport, for a browser: {report}')
    name = Path(runner.cfg.filename or folder.name).stem
    commands = list(list_commands(
        folder, Path(__file__).parent, name, choose_inputs(runner.cfg.model),
        report is not None))
    if commands:
        screen.say('\nWhat to do next:')
    for command in commands:
        screen.say(f'  {command}')


def find_result(runner: Runner) -> dict | None:
    """Read the result of this run, not one that lay there before."""
    try:
        result = read_result(runner.cfg.work_dir)
    except DeptError:
        return None
    same = result['fingerprint'] == config_fingerprint(runner.cfg)
    return result if same else None


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    merge_args(cfg, args)
    init_launcher(cfg, args.launcher)
    screen = Screen()
    try:
        (rehearse if args.dry_run else train)(cfg, screen, args.verbose)
    finally:
        screen.close()


if __name__ == '__main__':
    with user_errors():
        main()
