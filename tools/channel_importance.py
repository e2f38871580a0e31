"""Measure how much each channel matters to base and to new classes.

    python tools/channel_importance.py CONFIG CHECKPOINT ... [--out DIR]
        [--beside FILE.json ...] [options of the config]

This is the analysis of channel bias in DePT's paper. It prints how far the
ratio of both importances is from 1, and writes channel_importance.json, .csv
and .png. With --beside, it also shows models of other configs, from the JSON
files of earlier calls.
"""
import argparse
from pathlib import Path

from mmengine.config import Config

from dept_mm.cli.arguments import (
    add_config_options,
    cache_features,
    load_config,
    set_loader_defaults,
    user_errors,
)
from dept_mm.engine.runner import build_runner
from dept_mm.errors import DeptError
from dept_mm.reports.importance import (
    ChannelImportanceHook,
    Importance,
    draw,
    format_report,
    load,
    save,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument(
        'checkpoints', nargs='+', metavar='CHECKPOINT',
        help='trained models of this config, e.g. of several seeds; "none" '
        'is the model as it is built, such as zero-shot CLIP')
    parser.add_argument(
        '--beside', nargs='+', default=[], metavar='FILE.json',
        help='also show and draw the models in these files')
    parser.add_argument(
        '--out', dest='work_dir', metavar='DIR',
        help='folder for the output (default: ./work_dirs/CONFIG_NAME)')
    parser.add_argument(
        '--window', type=int, metavar='N',
        help="number of consecutive channels to sum, as in DePT's code; 1 "
        'treats each alone (default: an eighth, 64 of 512)')
    parser.add_argument(
        '--cache-features', action='store_true',
        help='run the frozen image tower once and store its features')
    parser.add_argument(
        '--feature-dir', default='work_dirs/features',
        help='folder for --cache-features (default: %(default)s)')
    parser.set_defaults(seed=None, local_rank=0)
    return parser.parse_intermixed_args()


def measure(cfg: Config, checkpoint: str, window: int | None) -> Importance:
    """Test one model and return its channel importance."""
    cfg.load_from = None if checkpoint == 'none' else checkpoint
    runner = build_runner(cfg)
    hook = ChannelImportanceHook(window)
    runner.register_hook(hook)
    runner.test()
    path = Path(cfg.load_from or 'untrained')
    return Importance('/'.join(path.with_suffix('').parts[-2:]), **{
        half: values.tolist() for half, values in hook.importance.items()})


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    if cfg.get('test_dataloader') is None:
        raise DeptError(f'{args.config} has no test_dataloader.')
    if args.cache_features:
        cache_features(cfg, args.feature_dir)
    set_loader_defaults(cfg, ['test_dataloader'])
    # BaseNewTableHook would write result.json, as if this were a test.
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or []
                        if hook['type'] != 'BaseNewTableHook']
    cfg.log_level = 'WARNING'
    earlier = [one for path in args.beside for one in load(path)]
    found = [measure(cfg, path, args.window) for path in args.checkpoints]
    paths = save(found, cfg.work_dir)
    print(format_report([*found, *earlier]))
    picture = paths[0].with_suffix('.png')
    draw([*found, *earlier], picture)
    print('\n' + '\n'.join(map(str, [*paths, picture])))


if __name__ == '__main__':
    with user_errors():
        main()
