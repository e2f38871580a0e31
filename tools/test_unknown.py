"""Measure whether a model notices images of classes that it does not know.

    python tools/test_unknown.py work_dirs/NAME [--far DATASET]

Known are the test images of the base classes, near unknown are those of the
new classes, far unknown are those of another data set. AUROC is the
probability that a known image scores higher than an unknown one; FPR95 is the
share of unknown images that are taken for known where 95 % of the known are.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.registry import init_default_scope

from dept_mm.apis import load_classifier, measure_unknown
from dept_mm.cli.arguments import user_errors
from dept_mm.cli.dataset_file import load_dataset_config
from dept_mm.evaluation.none_of_these import KNOWN_SCORES

DATASETS = Path(__file__).parents[1] / 'configs/_base_/datasets'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', metavar='MODEL', help='as for predict.py')
    parser.add_argument('--far', metavar='DATASET', help='another data set: '
                        'one of configs/_base_/datasets, or a file that '
                        'defines `dataset`')
    parser.add_argument('--config', help='the config of MODEL, where it is '
                        'not beside it, as of an adapter')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--workers', type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    init_default_scope('mmpretrain')
    far = load_dataset_config(args.far, DATASETS) if args.far else None
    model = load_classifier(*filter(None, (args.config, args.model)),
                            device=args.device)
    found = measure_unknown(model, far, num_workers=args.workers)
    kinds = [kind for kind in (*KNOWN_SCORES, 'gl_mcm')
             if kind in next(iter(found.values()))]
    print(f'{"":20}' + ''.join(f'{kind:>18}' for kind in kinds))
    for name, part in found.items():
        print(f'{name}: {part["known"]} known images, {part["unknown"]} '
              'unknown')
        for key, label in (('auroc', 'AUROC in %'), ('fpr95', 'FPR95 in %')):
            print(f'  {label:18}' + ''.join(
                f'{100 * part[kind][key]:18.2f}' for kind in kinds))


if __name__ == '__main__':
    with user_errors():
        main()
