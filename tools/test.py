"""Test a model: ``python tools/test.py CONFIG [CHECKPOINT] [options]``."""
import argparse
from copy import deepcopy
from pathlib import Path

import mmengine
from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults

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
from dept_mm.exchange import read_adapter
from dept_mm.reports.html import try_report


def parse_args() -> argparse.Namespace:
    parser = common_parser('Test a model')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint or adapter; without one, or with "none", the model '
        'is tested as it is built, such as zero-shot CLIP')
    parser.add_argument('--out', help='file to write results to')
    parser.add_argument(
        '--out-item',
        choices=['metrics', 'pred'],
        help='what --out holds: metrics, or predictions as a pickle for the '
        'analysis tools (default: pred)')
    parser.add_argument(
        '--show-dir', help='folder to save drawn predictions in')
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window')
    parser.add_argument(
        '--interval', type=int, default=1, help='draw every n-th sample')
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='seconds to show a prediction')
    parser.add_argument(
        '--cache-features',
        action='store_true',
        help='run the frozen image tower once and store its features')
    parser.add_argument(
        '--tta',
        action='store_true',
        help='average predictions over augmented images, as `tta_model` and '
        '`tta_pipeline` of the config say; by default, over flips')
    # Intermixed, so that the optional CHECKPOINT may follow an option.
    args = parser.parse_intermixed_args()
    if args.out_item is not None and args.out is None:
        parser.error('--out-item needs --out')
    if args.out and args.out_item != 'metrics' and not args.out.endswith(
            ('.pkl', '.pickle')):
        parser.error(f'--out {args.out}: predictions are written as .pkl')
    if (args.checkpoint or 'none').lower() == 'none':
        args.checkpoint = None
    return args


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the options of testing to a config, in place."""
    if (args.checkpoint or '').endswith('.safetensors'):
        read_adapter(args.checkpoint)  # raises now if it is faulty
    if args.amp:
        cfg.test_cfg.fp16 = True
    if args.show or args.show_dir is not None:
        set_visualization(cfg, args)
    if args.tta:
        set_tta(cfg)
    if args.cache_features:
        cache_features(cfg, args.feature_dir)
    set_loader_defaults(cfg, ['test_dataloader'],
                        pin_memory=not args.no_pin_memory)


def set_visualization(cfg: Config, args: argparse.Namespace) -> None:
    """Switch the visualization hook on."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise DeptError('--show and --show-dir need `default_hooks = '
                        'dict(visualization=dict(type="VisualizationHook"))`'
                        f' in {args.config}')
    hook.update(
        enable=True,
        show=args.show,
        wait_time=args.wait_time,
        out_dir=args.show_dir,
        interval=args.interval)


def set_tta(cfg: Config) -> None:
    """Wrap the model for test-time augmentation."""
    average = dict(type='mmpretrain.AverageClsScoreTTA')
    tta_model = cfg.get('tta_model', average)
    dataset = cfg.test_dataloader.dataset
    if 'tta_pipeline' in cfg:
        dataset.pipeline = cfg.tta_pipeline
    else:
        *transforms, pack = deepcopy(dataset.pipeline)
        flips = [dict(type='RandomFlip', prob=prob) for prob in (1., 0.)]
        dataset.pipeline = transforms + [
            dict(type='TestTimeAug', transforms=[flips, [pack]])
        ]
    cfg.model = ConfigDict(**tta_model, module=cfg.model)


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    merge_args(cfg, args)
    init_launcher(cfg, args.launcher, training=False)
    runner = build_runner(cfg)
    # Not in the config, which says what the training started from.
    runner._load_from = args.checkpoint or runner._load_from
    if runner._load_from is None:
        runner.logger.info('No checkpoint is given: the model is tested as '
                           'it is built.')
    if args.out and args.out_item != 'metrics':
        runner.test_evaluator.metrics.append(
            DumpResults(out_file_path=args.out))
    metrics = runner.test()
    if is_main_process():
        # A second test in the same second has written to a folder beside it.
        log_dir = Path(runner.log_dir)
        try_report(max(log_dir.parent.glob(f'{log_dir.name}*'),
                       key=lambda folder: folder.stat().st_mtime))
    if args.out and args.out_item == 'metrics' and is_main_process():
        mmengine.dump(metrics, args.out)


if __name__ == '__main__':
    with user_errors():
        main()
