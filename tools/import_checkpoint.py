"""Convert checkpoints of the public code of DePT or one of its hosts:
``import_checkpoint.py SRC OUT --config CONFIG``, for a file or a folder."""
import argparse
import sys
from pathlib import Path

from mmengine.config import Config

import dept_mm  # noqa: F401  registers everything
from dept_mm.cli.arguments import add_config_options, load_config, user_errors
from dept_mm.errors import DeptError
from dept_mm.exchange import import_checkpoint
from dept_mm.exchange.release import write_checksums

NAME = 'model.pth.tar-'  # and the epoch
LORA = 'lora_weights.pt'  # of CLIP-LoRA


def import_folder(source: Path, out: Path, cfg: Config) -> None:
    """Import the last checkpoint of each folder below ``source``.

    Raises:
        DeptError: If there is none.
    """
    last = {path.parent: path for path in sorted(
        [*source.rglob(f'{NAME}*'), *source.rglob(LORA)],
        key=lambda path: path.name.removeprefix(NAME).zfill(9))}
    if not last:
        raise DeptError(f'There is no {NAME}N and no {LORA} below {source}.')
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for folder, path in sorted(last.items()):
        parts = folder.relative_to(source).parts or (source.name, )
        target = out / f'{"-".join(parts)}.safetensors'
        try:
            import_checkpoint(path, target, cfg)
            print(f'written: {target}')
        except DeptError as error:
            failed.append(f'not imported: {error}')
    write_checksums(out)
    print(f'{len(last) - len(failed)} of {len(last)} -> {out}')
    if failed:
        sys.exit('\n'.join(failed))


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Write what a public checkpoint has learned as an adapter '
        '(a .safetensors file). That is model.pth.tar-N of CoOp, CoCoOp, '
        'KgCoOp, MaPLe, PromptSRC, with or without DePT, of MMRL(++), '
        'MultiModalAdapter, CoPrompt, ATPrompt, PromptKD or Skip Tuning, or '
        'lora_weights.pt of CLIP-LoRA')
    parser.add_argument(
        'source', type=Path, help='the public checkpoint, or a folder: the '
        'last one of each folder below it is converted')
    parser.add_argument('out', type=Path, help='adapter to write '
                        '(.safetensors), or a folder for adapters')
    add_config_options(parser, name='--config')
    parser.set_defaults(seed=None, work_dir=None, local_rank=0)
    args = parser.parse_args()
    cfg = load_config(args)
    if args.source.is_dir():
        import_folder(args.source, args.out, cfg)
        return
    for line in import_checkpoint(args.source, args.out, cfg):
        print(line)
    print(f'written: {args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
