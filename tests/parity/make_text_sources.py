"""Run the public code of Decomposed Prompt Tuning on rows of its tasks, and
write what it asks a T5 model and expects as answer, and how it measures.

    python tests/parity/make_text_sources.py DEPT

DEPT is a checkout of github.com/ZhengxiangShi/DePT (f0266a7). Its code runs as
it is; ADePT's public code has the same tasks. The rows are the hand-made ones
in ``tests/data/text_tasks.json``.
"""
import json
import random
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / 'data'
REFERENCE = DATA / 'reference/text_sources.json'
MEASURES = DATA / 'reference/text_measures.json'
WORDS = 'The', 'red', 'fox,', 'a', 'Fox', 'U.S.', "dog's", 'an', '10'
# Our name -> the public one.
NAMES = dict(
    {name: f'superglue-{name}' for name in (
        'boolq', 'cb', 'wic', 'multirc', 'record')},
    wsc='superglue-wsc.fixed', yelp='yelp_polarity')


def measure() -> list[tuple]:
    """Return accepted answers, a guess, its exact match and its F1 in %, of
    random words."""
    from src.metrics import squad
    draw = random.Random(0)

    def write() -> str:
        return ' '.join(draw.choices(WORDS, k=draw.randrange(4)))

    found = []
    for _ in range(60):
        answers = [write() for _ in range(1 + draw.randrange(3))]
        guess = write()
        scores = squad([guess], [answers])
        found.append((answers, guess, float(scores['em']),
                      float(scores['f1'])))
    return found


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    from src.tasks import TASK_MAPPING
    MEASURES.write_text(json.dumps(measure()) + '\n')
    found = {}
    for name, sample in json.loads(
            (DATA / 'text_tasks.json').read_text(encoding='utf-8')).items():
        public = NAMES.get(name, name)
        if public not in TASK_MAPPING:
            continue
        run = TASK_MAPPING[public]('en').preprocessor
        rows = sample['rows']
        if name == 'record':
            made = run({key: [row[key] for row in rows] for key in rows[0]},
                       add_prefix=False)
            found[name] = list(zip(made['source'], made['target'],
                                   strict=True))
        else:
            made = [run(row, add_prefix=False) for row in rows]
            found[name] = [(one['source'], one['target']) for one in made]
    REFERENCE.write_text(json.dumps(found, indent=1, ensure_ascii=False)
                         + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
