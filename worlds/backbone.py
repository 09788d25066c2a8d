"""Train the bundled backbone on drawings of twenty kinds, none of them a cat or a dog.

``python -m worlds.backbone [folder]`` draws the pictures, trains for some minutes on two processor
cores, and writes ``backbone.safetensors`` into the package, or into ``folder``.
"""

import itertools
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from coursekit.models.backbone import MEAN, STD, WEIGHTS, SmallResNet
from worlds.files import on_all_processors
from worlds.scenes import KINDS, render

HELD_BACK = ("cats", "dogs")  # what lesson 1 tells apart: the backbone never sees one
TRAINED_ON = tuple(kind for kind in KINDS if kind not in HELD_BACK)
SIZE, MARGIN = 64, 8  # pixels that the net sees, and how much larger the pictures are kept
SMALL = 48  # pixels in the first half of the training, which takes half the time there
PER_KIND, HELD_OUT = 800, 100  # drawings of each kind, to train on and to measure on
EPOCHS, BATCH, RATE, SEED = 14, 64, 3e-3, 0


def draw_one(job):
    """Draw (kind, split, number) as (72, 72, 3) uint8: squashed, or the middle square, by turns."""
    kind, split, number = job
    if kind not in TRAINED_ON:
        raise ValueError(f"the backbone is not to see {kind}")
    facts = [SEED, number, *(zlib.crc32(word.encode()) for word in ("backbone", split, kind))]
    picture, _ = render(kind, np.random.default_rng(facts))
    if number % 2:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    picture = picture.resize((SIZE + MARGIN, SIZE + MARGIN), Image.Resampling.BOX)
    return np.asarray(picture)


def drawings(split, count, kinds=TRAINED_ON):
    """Draw (pictures, kinds): (N, 3, 72, 72) uint8 and (N,) int64, on all processors."""
    jobs = itertools.product(kinds, [split], range(count))
    pictures = np.stack(list(on_all_processors(draw_one, jobs, f"drawing {split}")))
    targets = torch.arange(len(kinds)).repeat_interleave(count)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), targets


def normalized(pictures):
    """Scale (B, 3, H, W) uint8 pictures to the floats that the net is trained on."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((pictures.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def varied(pictures, size=SIZE):
    """Make a fresh variation of a batch: one shift for all, flips, light and color."""
    top, left = torch.randint(0, MARGIN + 1, (2,)).tolist()
    x = normalized(pictures[:, :, top : top + SIZE, left : left + SIZE])
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    contrast, light = 1 + 0.2 * torch.randn(len(x), 1, 1, 1), 0.2 * torch.randn(len(x), 3, 1, 1)
    x = x * contrast + light
    return x if size == SIZE else F.interpolate(x, size=size, mode="bilinear", antialias=True)


def middle(pictures):
    """Cut out the middle of each picture (B, 3, 64, 64), which the net is measured on."""
    edge = MARGIN // 2
    return normalized(pictures[:, :, edge : edge + SIZE, edge : edge + SIZE])


class Classifier(nn.Module):
    """The backbone with a plain layer on top, of use while it is trained."""

    def __init__(self):
        super().__init__()
        self.body = SmallResNet()
        self.drop = nn.Dropout(0.2)
        self.layer = nn.Linear(2 * SmallResNet.channels, len(TRAINED_ON))

    def forward(self, x):
        """Scores (B, kinds) of normalized pictures (B, 3, H, W)."""
        maps = self.body(x)
        return self.layer(self.drop(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)))


def train(pictures, targets, epochs=EPOCHS):
    """Train a classifier on pictures (N, 3, 72, 72) uint8 of kinds (N,)."""
    torch.manual_seed(SEED)
    net = Classifier().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02)
    steps = epochs * (len(targets) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    for epoch in range(epochs):
        began, total = time.time(), 0.0
        size = SMALL if epoch < epochs // 2 else SIZE
        rows = torch.randperm(len(targets))[: steps // epochs * BATCH].view(-1, BATCH)
        for batch in rows:
            scores = net(varied(pictures[batch], size))
            loss = F.cross_entropy(scores, targets[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        seconds = time.time() - began
        print(f"epoch {epoch + 1:2d}  loss {total / len(rows):.3f}  {seconds:.0f} s", flush=True)
    return net.eval()


@torch.no_grad()
def accuracy(net, pictures, targets):
    """Fraction of pictures (N, 3, 72, 72) that ``net`` gives the right kind."""
    scores = torch.cat([net(middle(part)) for part in pictures.split(500)])
    return (scores.argmax(1) == targets).float().mean().item()


def main(folder=WEIGHTS.parent):
    """Draw, train, measure, and write the weights as float16 into ``folder``."""
    net = train(*drawings("train", PER_KIND))
    print(f"accuracy on held-out drawings: {accuracy(net, *drawings('held-out', HELD_OUT)):.4f}")
    weights = {name: value.half() if value.is_floating_point() else value
               for name, value in net.body.state_dict().items()}  # fmt: skip
    save_file(
        {name: value.contiguous() for name, value in weights.items()}, Path(folder, WEIGHTS.name)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
