"""Run the public code of two papers, and write the examples that it draws.

    python tests/parity/make_text_draws.py LPT DEPT

LPT is a checkout of github.com/xyltt/LPT (634c7b2), DEPT one of
github.com/ZhengxiangShi/DePT (f0266a7). Their code runs as it is; the loop
that draws few examples stands in the middle of DEPT's ``main``, so its rule is
applied here to the library's shuffle.
"""
import json
import runpy
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

REFERENCE = Path(__file__).parents[1] / 'data/reference/text_draws.json'
SEEDS = 13, 42
# One in three is positive.
LABELS = [int(i % 3 == 0) for i in range(200)]


def draw_late(public: Path, task: str, header: list[str]) -> dict:
    """Return the numbers of the training and development texts by seed."""
    found = {}
    lines = ([f'text {i}\t{y}' for i, y in enumerate(LABELS)] if header else
             [f'{y}\ttext {i}' for i, y in enumerate(LABELS)])
    with TemporaryDirectory() as root:
        folder = Path(root, 'in', task)
        folder.mkdir(parents=True)
        for name in ('train', 'dev', 'test'):
            (folder / f'{name}.tsv').write_text(
                '\n'.join([*header, *lines]) + '\n')
        for seed in SEEDS:
            sys.argv = ['generate', '--task', task, '--seed', str(seed),
                        '--k', '50', '--k_for_dev', '70', '--data_dir',
                        f'{root}/in', '--output_dir', f'{root}/out']
            runpy.run_path(str(
                public / 'encoder-only/data/generate_low_resource_data.py'),
                run_name='__main__')
            made = Path(root, f'out/50-samples/seed-{seed}', task)
            found[seed] = {name: sorted(
                int(line.split('text ')[1].split('\t')[0])
                for line in (made / f'{name}.tsv').read_text().splitlines()
                if 'text ' in line) for name in ('train', 'dev')}
    return found


def draw_shots(count: int, seed: int) -> list[int]:
    """The order of the library, the rule of the public loop."""
    import datasets
    import pyarrow
    shuffled = datasets.Dataset(
        pyarrow.table(dict(i=range(len(LABELS)), y=LABELS)), fingerprint='0',
    ).shuffle(seed=seed, new_fingerprint='1')
    taken = {0: 0, 1: 0}
    chosen = []
    for row in shuffled:
        if sum(taken.values()) == count:
            break
        if taken[row['y']] < count // 2 or sum(taken.values()) == count - 1:
            taken[row['y']] += 1
            chosen.append(row['i'])
    return chosen


def main() -> None:
    late, dept = map(Path, sys.argv[1:])
    sys.path.insert(0, str(dept))
    from src.tasks import RTE
    task = RTE('en', seed=42)
    found = dict(
        late=dict(mr=draw_late(late, 'mr', []),
                  sst2=draw_late(late, 'sst-2', ['sentence\tlabel'])),
        half=[task.get_split_indices(split, LABELS, len(LABELS) // 2)
              for split in ('validation', 'test')],
        shots={seed: draw_shots(16, seed) for seed in SEEDS})
    REFERENCE.write_text(json.dumps(found) + '\n')


if __name__ == '__main__':
    main()
