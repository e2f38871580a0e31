"""Measure exports against PyTorch: ``export.py MODEL``.

    OMP_NUM_THREADS=1 python tools/benchmarks/export.py dept_quickstart

It prints the size of each file, and the median time of one prepared image.
"""
import argparse
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from dept_mm.apis import load_classifier
from dept_mm.cli.arguments import user_errors
from dept_mm.export import export_model


def median_ms(function, argument, count: int) -> float:
    """Time a function, after calls that warm it up."""
    times = []
    for _ in range(count + 3):
        start = time.perf_counter()
        function(argument)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[3:])


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description='Measure exports')
    parser.add_argument('model', help='as of tools/export.py')
    parser.add_argument('--count', type=int, default=50,
                        help='how often each is run (default: %(default)s)')
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 1)))
    model = load_classifier(args.model)
    size = model.module.backbone.clip.spec.image_size
    pixels = torch.randn(1, 3, size, size)
    ms = median_ms(model.logits, pixels, args.count)
    print(f'{"PyTorch":16} {"":12} {ms:8.2f} ms')
    with TemporaryDirectory() as folder:
        for kind, options in (('onnx', dict(int8=True)), ('torchscript', {})):
            out = export_model(model, Path(folder, kind), kind, **options)
            for name, run in out.runs.items():
                ms = median_ms(run, pixels.numpy(), args.count)
                print(f'{name:16} {out.sizes[name]:12,} {ms:8.2f} ms')


if __name__ == '__main__':
    with user_errors():
        main()
