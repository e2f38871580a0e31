"""Convert a checkpoint of the public code of DePT or one of its hosts:
``import_checkpoint.py SRC OUT --config CONFIG``."""
import argparse

import dept_mm  # noqa: F401  registers everything
from dept_mm.cli.arguments import add_config_options, load_config, user_errors
from dept_mm.exchange import import_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Write what a public checkpoint (model.pth.tar-N of '
        'CoOp, CoCoOp, KgCoOp, MaPLe, PromptSRC, with or without DePT) has '
        'learned as an adapter (a .safetensors file)')
    parser.add_argument('source', help='the public checkpoint')
    parser.add_argument('out', help='adapter to write (.safetensors)')
    add_config_options(parser, name='--config')
    parser.set_defaults(seed=None, work_dir=None, local_rank=0)
    args = parser.parse_args()
    for line in import_checkpoint(args.source, args.out, load_config(args)):
        print(line)
    print(f'written: {args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
