"""Takes the options of tools/train.py that test_sweep.py gives, has three
short epochs, and writes down what happens when. Seed 2 waits
after an epoch as long as there is a file `hold`."""
import json
import os
import sys
import time
from pathlib import Path


def note(**entry):
    entry.update(seed=seed, device=os.environ['CUDA_VISIBLE_DEVICES'],
                 threads=os.environ['OMP_NUM_THREADS'], time=time.time())
    with open(work_dir.parent / 'trace.jsonl', 'a') as file:
        file.write(json.dumps(entry) + '\n')


work_dir = Path(sys.argv[sys.argv.index('--work-dir') + 1])
seed = int(sys.argv[sys.argv.index('--seed') + 1])
checkpoint, pointer = work_dir / 'epoch', work_dir / 'last_checkpoint'
done = int(checkpoint.read_text()) if '--resume' in sys.argv else 0
note(event='start', done=done)
for epoch in range(done, 3):
    time.sleep(.02)
    checkpoint.write_text(str(epoch + 1))
    pointer.write_text(str(checkpoint))
    note(event='epoch', done=epoch + 1)
    while seed == 2 and (work_dir.parent / 'hold').exists():
        time.sleep(.01)
if '--fail' in sys.argv and not (work_dir.parent / 'mended').exists():
    note(event='end')
    print('loss is', seed)
    sys.exit('error: out of luck')
halves = dict(base=dict(correct=seed, total=10),
              new=dict(correct=6, total=12))
(work_dir / 'result.json').write_text(json.dumps(dict(
    format=1, fingerprint=f'{seed}' * 64,
    results=dict(tuned=dict(shapes=halves)))))
note(event='end')
