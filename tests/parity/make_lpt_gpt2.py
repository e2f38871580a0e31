"""Run the public code of Late Prompt Tuning on GPT-2, and write what it gives.

    python tests/parity/make_lpt_gpt2.py PUBLIC

PUBLIC is a checkout of github.com/xyltt/LPT (634c7b2). Its model and loss run
as they are, on a tiny GPT-2 with fixed weights, in fp32 and without dropout.
The code was written for transformers 4.6.1; with 4.30.2 it runs, but for a
decorator that makes docstrings and has other arguments there. PYTHONPATH must
contain ``tests`` and the root of this repository.
"""
import sys
from argparse import Namespace
from pathlib import Path
from unittest.mock import MagicMock, patch

import numpy as np
import torch
import transformers
from language_models import config, draw
from test_language import GPT2_CASES, fill

REFERENCE = Path(__file__).parents[1] / 'data/reference'
LENGTHS, ENDS = (12, 9, 7), (9, 7, 4)  # tokens, and where answers begin


def make_inputs() -> dict[str, torch.Tensor]:
    """Draw three sentences, padded on the right; the answer ends each."""
    place = torch.arange(max(LENGTHS))
    ids = torch.from_numpy(np.abs(draw('input_ids', (3, max(LENGTHS)))))
    ids = (ids * 30).long() % 95 + 5
    mask, ahead = (place < torch.tensor(count)[:, None]
                   for count in (LENGTHS, ENDS))
    return dict(input_ids=ids.masked_fill(~mask, 1),
                attention_mask=mask.long(),
                loss_mask=(mask & ~ahead).long(),
                seq_lengths=torch.tensor(ENDS) - 1)  # the last before it


def run(options: dict) -> dict[str, np.ndarray]:
    """Return what one generator gives."""
    from evaluations import get_loss
    from models.modeling_gpt2 import GPT2ForPromptTuning
    settings = config('gpt2')
    settings.update(dict(options, add_prompt_layer=2, num_prompt_tokens=5,
                         proj_down_size=16))
    model = GPT2ForPromptTuning(settings).eval().requires_grad_(False)
    model.tie_weights()
    frozen = fill(model)
    if settings.generator_type:
        model.transformer.add_prompt_generator()
    else:
        model.generate_prompt_embeddings()
    learned = fill(model, skip=frozen)
    given = make_inputs()
    batch = [given[k] for k in (
        'input_ids', 'attention_mask', 'loss_mask', 'seq_lengths')]
    logits = model.eval()(batch[0], attention_mask=batch[1],
                          seq_lengths=batch[3], return_dict=True).logits
    loss = get_loss(Namespace(method_type='generative', num_prompt_tokens=5),
                    logits, batch).mean()
    loss.backward()
    grads = {f'grad/{key}': model.get_parameter(key).grad.numpy()
             for key in learned}
    found = dict(given, loss=loss.detach(), logits=logits.detach())
    return dict({k: v.numpy() for k, v in found.items()},
                frozen=np.array(frozen), trainable=np.array(learned), **grads)


def main() -> None:
    sys.path.insert(0, f'{sys.argv[1]}/decoder-only')
    sys.modules['data'] = sys.modules['data_loader'] = MagicMock()
    with patch.object(transformers.file_utils, 'add_code_sample_docstrings',
                      lambda **_: lambda function: function):
        for name, options in GPT2_CASES.items():
            np.savez_compressed(REFERENCE / f'{name}.npz', **run(options))


if __name__ == '__main__':
    main()
