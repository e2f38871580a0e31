"""Train a model: ``python tools/train.py CONFIG [options]``."""
import argparse
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from dept_mm.cli.arguments import (
    cache_features,
    common_parser,
    load_config,
    set_loader_defaults,
    user_errors,
)
from dept_mm.cli.launch import init_launcher
from dept_mm.engine.runner import build_runner
from dept_mm.errors import DeptError


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
        'on them: on one view (draw of the augmentation) per epoch, which '
        'is exact, or on VIEWS views in turn; 0 stores test images only')
    parser.add_argument(
        '--no-persistent-workers',
        action='store_true',
        help='restart the data loader workers in each epoch')
    return parser.parse_args(argv)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options of training to a config, in place."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp and torch.cuda.is_available():
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    elif args.amp:  # AmpOptimWrapper refuses to run on a CPU
        cfg.optim_wrapper.type = 'BF16OptimWrapper'
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if not cfg.get('auto_scale_lr'):
            raise DeptError('--auto-scale-lr needs `auto_scale_lr = '
                            f'dict(base_batch_size=...)` in {args.config}')
        cfg.auto_scale_lr.enable = True
    if args.cache_features is not None:
        views = args.cache_features
        cache_features(cfg, args.feature_dir, None if views == -1 else views)
    set_loader_defaults(
        cfg, ['train_dataloader', 'val_dataloader', 'test_dataloader'],
        pin_memory=not args.no_pin_memory,
        persistent_workers=not args.no_persistent_workers)


def make_runner(argv: Sequence[str] | None = None) -> Runner:
    """Build the runner that a command line describes."""
    args = parse_args(argv)
    cfg = load_config(args)
    merge_args(cfg, args)
    init_launcher(cfg, args.launcher)
    return build_runner(cfg)


def main() -> None:
    make_runner().train()


if __name__ == '__main__':
    with user_errors():
        main()
