"""Write the features of a data set: images of each split, and class texts.

    python tools/extract_features.py CONFIG --out FOLDER [options]

CONFIG says the data set, the CLIP and the texts, as for training; --dataset
and --clip choose others. FOLDER/dataset.py then stands for the data set:

    python tools/train.py CONFIG --clip features --dataset FOLDER/dataset.py

A run that was interrupted goes on when it is started again. Several devices
share the work: torchrun --nproc-per-node=8 tools/extract_features.py ...
--launcher pytorch.
"""
import argparse
from pathlib import Path
from pprint import pformat

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_main_process
from mmengine.registry import init_default_scope
from torch import nn

from dept_mm.cli.arguments import (
    add_config_options,
    load_config,
    set_loader_defaults,
    user_errors,
)
from dept_mm.cli.launch import init_launcher
from dept_mm.engine.feature_store import (
    check_parts,
    extract_split,
    extract_text,
)
from dept_mm.registry import MODELS
from dept_mm.structures import Vocabulary
from dept_mm.utils.files import check_writable, write_atomically

SPLITS = ('train', 'val', 'test')
# What the data set of features keeps of that of images.
KEPT = ('name', 'template', 'base_classes', 'namespace', 'seed')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--shard', type=int, default=10000, metavar='IMAGES',
                        help='images that are kept if a run is interrupted '
                        '(default: %(default)s)')
    parser.add_argument('--batch-size', type=int, help='default: 128 on a '
                        'GPU, 16 without')
    parser.add_argument('--launcher', default='none',
                        choices=['none', 'pytorch', 'slurm', 'mpi'])
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    parser.set_defaults(seed=None, work_dir='.')
    return parser.parse_args()


def build_model(cfg: Config) -> nn.Module:
    """Build the classifier of a config, without what trains alone needs."""
    for key in 'prompt', 'teacher':
        if cfg.model.backbone.get(key):
            cfg.model.backbone[key] = None
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = MODELS.build(cfg.model).to(get_device()).eval()
    check_parts(model)
    return model


def write_dataset(cfg: Config, folder: Path, files: dict[str, str],
                  text: str | None) -> None:
    """Write the config of the data set of features."""
    # One split alone is split by class, as any data set without splits.
    given = files if len(files) > 1 else next(iter(files.values()))
    dataset = dict(type='FeatureDataset', data_root=str(folder.resolve()),
                   features=given, text=text, **{
                       k: cfg.dataset[k] for k in KEPT if k in cfg.dataset})
    known = Vocabulary.resolve(dict(cfg.dataset, namespace=None))
    if known.ids != known.names:
        dataset['metainfo'] = dict(class_ids=list(known.ids))
    write_atomically(folder / 'dataset.py', (
        '# Written by tools/extract_features.py.\n'
        f'dataset = {pformat(dataset, sort_dicts=False)}\n').encode())


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    set_loader_defaults(cfg, ['test_dataloader'])
    init_launcher(cfg, args.launcher, training=False)
    if args.launcher != 'none' and get_device() != 'cpu':
        init_dist(args.launcher, **cfg.env_cfg.dist_cfg)
    init_default_scope('mmpretrain')
    folder = Path(args.out)
    check_writable(folder, 'Give another --out.')
    model = build_model(cfg)
    files = {split: extract_split(model, cfg.test_dataloader, folder, split,
                                  args.shard, args.batch_size).name
             for split in args.splits}
    text = extract_text(model, folder).name if model.backbone.vocabulary else (
        None)
    if is_main_process():
        write_dataset(cfg, folder, files, text)
        print(f'{folder}: {", ".join(filter(None, [*files.values(), text]))}'
              f' and dataset.py')


if __name__ == '__main__':
    with user_errors():
        main()
