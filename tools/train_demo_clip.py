"""Train the demo CLIP from scratch on drawings, or evaluate it.

The committed model was trained with the command in
``dept_mm/assets/demo_clip/README.md``.
"""
import argparse
import json
import math
import time
from pathlib import Path
from random import Random

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dept_mm.datasets.captions import describe
from dept_mm.datasets.drawings import HELD_OUT, TRAIN_NAMES, Drawing, draw
from dept_mm.datasets.drawn_shapes import draw_key

ASSET = Path(__file__).parents[1] / 'dept_mm/assets/demo_clip'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--steps', type=int, default=800)
    parser.add_argument('--batch-size', type=int, default=128)
    parser.add_argument('--lr', type=float, default=1.5e-3)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=ASSET,
                        help='folder of the model')
    parser.add_argument(
        '--evaluate', action='store_true',
        help='print the accuracies of the model in --out, train nothing')
    return parser.parse_args()


class Batches(Dataset):
    """Training batches; each depends only on the seed and its own index."""

    def __init__(self, steps: int, batch_size: int, seed: int) -> None:
        self.steps, self.batch_size, self.seed = steps, batch_size, seed
        self.tokenize = open_clip.SimpleTokenizer()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, i: int) -> tuple[Tensor, ...]:
        """Return one batch.

        Returns:
            tuple: Images (B, H, W, 3), tokens (B, 77), and the codes of images
            and of captions, (B, 6) each.
        """
        rng = Random(self.seed * 1_000_003 + i)
        drawings = [Drawing.sample(rng.choice(TRAIN_NAMES), rng)
                    for _ in range(self.batch_size)]
        images = np.stack([draw(d, rng.getrandbits(32)) for d in drawings])
        captions = [describe(d, rng) for d in drawings]
        return (torch.from_numpy(images),
                self.tokenize([c.text for c in captions]),
                torch.tensor([d.codes for d in drawings]),
                torch.tensor([c.codes for c in captions]))


def to_input(images: Tensor) -> Tensor:
    """Convert uint8 images (B, H, W, 3) to (B, 3, H, W) in [-1, 1]."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def encode_text(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Compute ``model.encode_text`` without positions after the longest
    caption.

    This is exact, because the text tower is causal.
    """
    ends = tokens.argmax(-1)
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length])
    x = x + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(x)), ends]
    return x @ model.text_projection


def compute_loss(image: Tensor, text: Tensor, scale: Tensor,
                     shown: Tensor, said: Tensor) -> Tensor:
    """Compute InfoNCE in both directions, without false negatives.

    A caption may also be true for other images of the batch; such pairs are
    left out of the softmax.

    Args:
        image, text (Tensor): Features, (B, D) each.
        scale (Tensor): Factor of the logits.
        shown (Tensor): Codes of the images, (B, 6).
        said (Tensor): Codes of the captions, (B, 6).
    """
    logits = scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
    true = ((shown[:, None] == said) | (said < 0)).all(-1)
    true.fill_diagonal_(False)
    logits = logits.masked_fill(true, -math.inf)
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def build_optimizer(model: open_clip.CLIP, lr: float) -> torch.optim.AdamW:
    """Build AdamW with weight decay on the matrices of the towers only."""
    decays, rest = [], []
    for name, p in model.named_parameters():
        (rest if p.ndim < 2 or 'embedding' in name else decays).append(p)
    groups = [dict(params=decays, weight_decay=.05),
              dict(params=rest, weight_decay=0.)]
    return torch.optim.AdamW(groups, lr=lr, betas=(.9, .98))


def scale_rate(step: int, steps: int) -> float:
    """Return the factor of the learning rate: linear warm-up, then a cosine to
    0."""
    warmup = max(1, steps // 10)
    turn = math.pi * max(0, step - warmup) / (steps - warmup)
    return min(1, (step + 1) / warmup) * (.5 + .5 * math.cos(turn))


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    config = json.loads((args.out / 'open_clip_config.json').read_text())
    model = open_clip.CLIP(**config['model_cfg'])
    optimizer = build_optimizer(model, args.lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: scale_rate(step, args.steps))
    batches = Batches(args.steps, args.batch_size, args.seed)
    loader = DataLoader(batches, batch_size=None, num_workers=1)
    used = torch.zeros(model.vocab_size, dtype=torch.bool)
    start = time.time()
    for step, (images, tokens, shown, said) in enumerate(loader, 1):
        used[tokens.unique()] = True
        loss = compute_loss(
            model.encode_image(to_input(images)), encode_text(model, tokens),
            model.logit_scale.exp(), shown, said)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.)
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        if step % 100 == 0:
            print(f'step {step}/{args.steps}  loss {loss.item():.3f}  scale '
                  f'{model.logit_scale.exp().item():.1f}  '
                  f'{time.time() - start:.0f} s', flush=True)
    save_weights(model, used, args.out / 'model.safetensors')


def save_weights(model: open_clip.CLIP, used: Tensor, path: Path) -> None:
    """Write the weights in fp16.

    Embeddings of tokens that were never used are set to 0, so that the file
    compresses well.
    """
    state = {k: v.detach().half() for k, v in model.state_dict().items()}
    state['token_embedding.weight'][~used] = 0
    save_file(state, path)
    print(f'{path}: {path.stat().st_size:,} bytes, {int(used.sum())} tokens')


@torch.no_grad()
def compute_features(model: open_clip.CLIP, names: tuple[str, ...], split: str,
             count: int, style: str) -> tuple[Tensor, Tensor]:
    """Compute normalised features (N, D) of ``count`` images per class, and
    labels."""
    images = to_input(torch.from_numpy(np.stack([
        draw_key(f'{name}/{split}/{i:04d}', style=style)
        for name in names for i in range(count)])))
    x = torch.cat([model.encode_image(part) for part in images.split(256)])
    return F.normalize(x, dim=-1), torch.arange(len(x)) // count


def train_linear_probe(x: Tensor, y: Tensor) -> torch.nn.Linear:
    """Train a logistic regression on features (N, D) with labels (N, )."""
    probe = torch.nn.Linear(x.shape[1], int(y.max()) + 1)
    torch.nn.init.zeros_(probe.weight)  # for reproducible figures
    torch.nn.init.zeros_(probe.bias)
    optimizer = torch.optim.Adam(probe.parameters(), .1, weight_decay=1e-5)
    for _ in range(500):
        optimizer.zero_grad()
        F.cross_entropy(probe(x), y).backward()
        optimizer.step()
    return probe


@torch.no_grad()
def build_zero_shot(model: open_clip.CLIP, names: tuple[str, ...]) -> Tensor:
    """Build the zero-shot classifier (C, D) from class names."""
    tokens = open_clip.SimpleTokenizer()([f'a photo of a {n}.' for n in names])
    return F.normalize(model.encode_text(tokens), dim=-1)


def evaluate(folder: Path) -> None:
    """Print accuracies on classes that the model was not trained on."""
    model = open_clip.create_model(f'local-dir:{folder}').eval()
    tasks = dict(base=HELD_OUT[:16], new=HELD_OUT[16:], all=HELD_OUT)
    print('style   classes    zero-shot  16-shot linear probe')
    for style in ('clean', 'sketch'):
        for task, names in tasks.items():
            x, y = compute_features(model, names, 'test', 50, style)
            probe = train_linear_probe(
                *compute_features(model, names, 'train', 16, style))
            shot, tuned = (
                (scores.argmax(-1) == y).float().mean() * 100
                for scores in (x @ build_zero_shot(model, names).T, probe(x)))
            print(f'{style:8s}{task:8s}{shot:12.1f}{tuned:22.1f}')


if __name__ == '__main__':
    arguments = parse_args()
    if not arguments.evaluate:
        train(arguments)
    evaluate(arguments.out)
