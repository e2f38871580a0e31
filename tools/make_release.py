"""Turn the runs of a sweep into a zoo that can be published.

    python tools/make_release.py FOLDER OUT

OUT gets, for each finished run below FOLDER, its adapter, its config and its
result.json; metafile.yml, from which MMPretrain knows the models by name;
README.md with the tables; and SHA256SUMS, which `sha256sum -c` reads. See
docs/checkpoints.md.
"""
from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

import dept_mm  # noqa: F401  registers everything
from dept_mm.apis._find import find_weights
from dept_mm.cli.arguments import user_errors
from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results
from dept_mm.exchange.release import add_model, write_checksums, write_index
from dept_mm.reports.summary import (
    build_table,
    group_results,
    list_datasets,
    render,
)
from dept_mm.reports.summary.runs import split_name

Results = Mapping[Path, Mapping[str, Any]]
START = """# Zoo

Adapters of tuned CLIPs, for `dept_mm`. Check the files with
`sha256sum -c SHA256SUMS`, and use one by its path:

    python tools/predict.py {name}.safetensors photo.png

`dept_mm.register_zoo(FOLDER)` makes names known: `dept_mm.load({name!r})`, and
in MMPretrain `get_model({name!r}, pretrained=True)`.

| model | learned values | seed | accuracy in % |
|---|---|---|---|
"""


def name_runs(results: Results) -> dict[Path, str]:
    """Name models as configs are named, by what was really used.

    Raises:
        DeptError: If two runs would have one name.
    """
    names = {path: name_run(path, found) for path, found in results.items()}
    count = Counter(names.values())
    names = {path: name if count[name] == 1 else
             f'{name}_seed{results[path]["seed"]}'
             for path, name in names.items()}
    for name, number in Counter(names.values()).items():
        if number > 1:
            raise DeptError(f'{number} runs would have the name {name}: they '
                            'differ in options that no name tells. Release '
                            'their folders one by one.')
    return names


def name_run(path: Path, found: Mapping[str, Any]) -> str:
    """Name a model by the config, data set, protocol and shots of its run."""
    row, protocol = split_name(found['config'] or path.parent.name)
    if protocol:
        row = re.sub(r'\d+shot\b', f'{found["shots"]}shot', row)
        row += f'_{found["dataset"]}-{found["protocol"]}'
    # MMPretrain finds names in lower case only.
    return re.sub(r'[^\w.+-]+', '-', row.replace('/', '_')).lower()


def write_page(out: Path, models: list[dict], results: Results) -> None:
    """Write README.md: the models, and the tables of their methods."""
    rows = [f'| `{model["Name"]}` | {model["Metadata"]["Parameters"]:,} | '
            f'{model["Metadata"]["Seed"]} | ' + '; '.join(
                f'{result["Dataset"]}: ' + ', '.join(
                    f'{key} {value:.2f}'
                    for key, value in result['Metrics'].items())
                for result in model['Results']) + ' |' for model in models]
    tables = [build_table(*key, methods, list_datasets(), True)
              for key, methods in group_results(results).items()]
    (out / 'README.md').write_text(
        START.format(name=models[0]['Name']) + '\n'.join(rows) + '\n\n'
        + render(tables, 'markdown'), 'utf-8')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='--root of a sweep, or any '
                        'folder with work dirs of finished runs')
    parser.add_argument('out', type=Path, help='folder to write; it must be '
                        'empty or absent')
    args = parser.parse_args()
    results = {path: found for path, found in find_results(
        [args.folder]).items() if 'tuned' in found['results']}
    names = name_runs(results)
    if not names:
        raise DeptError(f'No training below {args.folder} was measured.')
    args.out.mkdir(parents=True, exist_ok=True)
    if any(args.out.iterdir()):
        raise DeptError(f'{args.out} is not empty. Give another folder.')
    models = [add_model(args.out, name, find_weights(path.parent), path)
              for path, name in tqdm(names.items())]
    write_index(args.out, models)
    write_page(args.out, models, results)
    write_checksums(args.out)
    print(f'{len(models)} models -> {args.out}')
    for path in sorted(args.folder.glob('*/last_checkpoint')):
        if path.with_name('result.json') not in results:
            print(f'left out, not finished: {path.parent}')


if __name__ == '__main__':
    with user_errors():
        main()
