"""How far does the fast recipe of lesson 7 get on CIFAR-10, and in how many seconds?

Run as ``python tests/benchmarks/cifar.py FOLDER [WIDTH [EPOCHS [SEEDS]]]``; the folder holds
``train/<class>`` and ``test/<class>``. Width 64 and 20 epochs are meant for a GPU, where the recipe
is meant to pass 94 % on the test pictures of the whole set. Prints a line a seed, then the mean.

The recipe: the whole set as one tensor on the device; each batch mirrored and shifted at once; one
cycle of the rate with SGD, Nesterov's momentum and weight decay; label smoothing; channels_last;
half precision; each test picture shown mirrored as well.
"""

import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

import coursekit as ck
from coursekit import runtime

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Block(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs, outputs):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two blocks and a shortcut around them."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(Block(channels, channels), Block(channels, channels))

    def forward(self, x):
        """Return maps of the same shape."""
        return x + self.inner(x)


def make_net(width):
    """Return a residual net of eight convolutions for pictures of 32 x 32, about 0 in the mean."""
    layers = [Block(3, width), Block(width, 2 * width), nn.MaxPool2d(2), Residual(2 * width)]
    layers += [Block(2 * width, 4 * width), nn.MaxPool2d(2)]
    layers += [Block(4 * width, 8 * width), nn.MaxPool2d(2), Residual(8 * width)]
    head = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8 * width, 10, bias=False)]
    return nn.Sequential(*layers, *head)


def on_device(part, device):
    """Return (pictures (N, 3, 32, 32) about 0 in the mean, classes (N,)), on the device."""
    x = torch.as_tensor(part.inputs[:]).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std, part.targets.to(device)


def shifted(padded, index):
    """Return 32 x 32 cut at random out of pictures with a rim of four dots; half are mirrored."""
    device = padded.device
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # (N, 3, 9, 9, 32, 32), nothing is copied
    rows, columns = torch.randint(0, 9, (2, len(index)), device=device)
    x = windows[index, :, rows, columns]
    flip = torch.rand(len(index), 1, 1, 1, device=device) < 0.5
    return torch.where(flip, x.flip(-1), x)


def train(train_set, net, epochs, batch=512, peak=0.4, decay=5e-4):
    """Train in one cycle of the rate, which is warmed up for a fifth of the steps."""
    x, y = train_set
    padded = F.pad(x, [4] * 4, mode="reflect")
    precision = runtime.precision(x.device)
    scaler = torch.amp.GradScaler(x.device.type, enabled=precision.scaled)
    half = precision.dtype != torch.float32
    optimizer = torch.optim.SGD(net.parameters(), peak, 0.9, weight_decay=decay, nesterov=True)
    steps = -(-len(x) // batch) * epochs
    step = 0

    def schedule(progress):
        if progress < 0.2:
            return 1 - 0.9 * ck.cosine(progress / 0.2)
        return 0.01 + 0.99 * ck.cosine((progress - 0.2) / 0.8)

    net.train()
    for _ in range(epochs):
        for index in torch.randperm(len(x), device=x.device).split(batch):
            for group in optimizer.param_groups:
                group["lr"] = peak * schedule(step / steps)
            pictures = shifted(padded, index).contiguous(memory_format=torch.channels_last)
            with torch.autocast(x.device.type, precision.dtype, enabled=half):
                loss = F.cross_entropy(0.125 * net(pictures), y[index], label_smoothing=0.2)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad(set_to_none=True)
            step += 1


@torch.no_grad()
def accuracy(test_set, net):
    """Return the share of the test pictures that are named rightly, each shown mirrored as well."""
    x, y = test_set
    net.eval()
    right = 0
    for pictures, classes in zip(x.split(1000), y.split(1000), strict=True):
        scores = net(pictures) + net(pictures.flip(-1))
        right += (scores.argmax(1) == classes).sum()
    return right.item() / len(x)


def main(folder, width="64", epochs="20", seeds="5"):
    """Train once a seed, and say how it went."""
    device = runtime.device()
    data = ck.images(folder, size=32, valid="test")
    parts = [on_device(part, device) for part in (data.train, data.valid)]
    print(f"{ck.machine()}; {len(parts[0][0]):,} + {len(parts[1][0]):,} pictures")
    found = []
    for seed in range(1, int(seeds) + 1):
        ck.seed(seed)
        net = make_net(int(width)).to(device, memory_format=torch.channels_last)
        began, used = time.perf_counter(), time.process_time()
        train(parts[0], net, int(epochs))
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds, used = time.perf_counter() - began, time.process_time() - used
        found.append(accuracy(parts[1], net))
        print(f"seed {seed}: {found[-1]:.4f} in {seconds:.1f} s ({used:.1f} s of the processor)")
    found = torch.tensor(found)
    print(f"width {width}, {epochs} epochs: {found.mean():.4f} ± {found.std(correction=0):.4f}")


if __name__ == "__main__":
    os.environ.setdefault("COURSEKIT_PROGRESS", "off")
    main(*sys.argv[1:])
