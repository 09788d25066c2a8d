"""How fast is the learner? Measured beside a bare torch loop and a plain DataLoader.

Run as ``OMP_NUM_THREADS=1 python tests/benchmarks/speed.py [ROUNDS]``; prints a table in Markdown.
The variants of a workload take turns, each round gives a ratio to the floor, and the median of the
ratios is printed: a machine that is busy for a while slows all of a round down. Seconds are those
of the processor, for the same reason.
"""

import contextlib
import io
import os
import platform
import statistics
import sys
import time

os.environ["COURSEKIT_PROGRESS"] = "off"

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import coursekit as ck
from coursekit.models.tables import TableNet

ROUNDS = 5


class Ready:
    """Mini-batches that lie ready in a list."""

    def __init__(self, batches):
        self._batches = batches

    def __len__(self):
        return len(self._batches)

    def __iter__(self):
        return iter(self._batches)


# Workloads: a network, its loss, training batches, and the same through a DataLoader -------------


def tiny():
    """Return the tiny net on 2,000 ready batches of 32."""
    x, y = torch.randn(2000 * 32, 32), torch.randint(2, (2000 * 32,))
    ready = Ready(list(zip(x.split(32), y.split(32), strict=True)))
    return _tiny_net, ck.cross_entropy, ready, None


def tiny_fed():
    """Return the tiny net on 64,000 examples, shuffled in batches of 32."""
    x, y = torch.randn(2000 * 32, 32), torch.randint(2, (2000 * 32,))
    batches = ck.Batches(x, y, batch_size=32, shuffle=True)
    return _tiny_net, ck.cross_entropy, batches, _loader(x, y, 32)


def _tiny_net():
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 2))


class Factors(nn.Module):
    """Users and films as 50 factors and a bias each."""

    def __init__(self):
        super().__init__()
        self.users, self.films = nn.Embedding(610, 51), nn.Embedding(9724, 51)

    def forward(self, pairs):
        """Return a rating for each (user, film) in (B, 2)."""
        user, film = self.users(pairs[:, 0]), self.films(pairs[:, 1])
        return (user[:, :50] * film[:, :50]).sum(1) + user[:, 50] + film[:, 50]


def ratings():
    """Return 100,836 ratings in batches of 512."""
    pairs = torch.stack([torch.randint(610, (100_836,)), torch.randint(9724, (100_836,))], 1)
    y = torch.rand(100_836) * 5
    batches = ck.Batches(pairs, y, batch_size=512, shuffle=True)
    return Factors, ck.mean_squared_error, batches, _loader(pairs, y, 512)


class Columns(nn.Module):
    """Ten categories of 50 codes and ten numbers, side by side in one row; two hidden layers."""

    def __init__(self):
        super().__init__()
        self.net = TableNet([50] * 10, 10, dropout=0.0, embedding_dropout=0.0)

    def forward(self, row):
        """Return a prediction for each row (B, 20): codes first."""
        return self.net(row[:, :10].long(), row[:, 10:])


def columns():
    """Return a table of 200,000 rows, ten categories and ten numbers, in batches of 1,024."""
    rows = torch.cat([torch.randint(50, (200_000, 10)).float(), torch.randn(200_000, 10)], 1)
    y = torch.randn(200_000)
    batches = ck.Batches(rows, y, batch_size=1024, shuffle=True)
    return Columns, ck.mean_squared_error, batches, _loader(rows, y, 1024)


def to_floats(x):
    """Turn bytes (B, H, W, 3) into floats (B, 3, H, W)."""
    return x.permute(0, 3, 1, 2).float().div(255)


def small_pictures():
    """Return 4,000 pictures of 32 x 32, mirrored at random, and a small convolutional net."""
    x = torch.randint(256, (4000, 32, 32, 3), dtype=torch.uint8)
    y = torch.randint(10, (4000,))
    mirror = ck.Augment(rotate=0, zoom=1, brightness_contrast=0)
    batches = ck.Batches(x, y, batch_size=64, shuffle=True, transform=to_floats, augment=mirror)
    return _image_model, ck.cross_entropy, batches, DataLoader(Pictures(x, y), 64, shuffle=True)


class Pictures(torch.utils.data.Dataset):
    """One picture after the other, prepared and mirrored by itself."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, number):
        picture = self.x[number].permute(2, 0, 1).float().div(255)
        return picture.flip(-1) if torch.rand(1) < 0.5 else picture, self.y[number]


def _image_model():
    layers = [nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
    layers += [nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def _loader(x, y, size):
    return DataLoader(TensorDataset(x, y), size, shuffle=True)


# Variants -----------------------------------------------------------------------------------------


def by_hand(network, loss, batches, *, fused):
    """Return the seconds of one epoch of a hand-written loop over ``batches``."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)
    began = time.process_time()
    model.train()
    for x, y in batches:
        loss(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.process_time() - began


def by_learner(network, loss, batches):
    """Return the seconds of one epoch of the learner: table and schedule, nothing validated."""
    one = [next(iter(batches))]
    data = ck.Data(batches, Ready(one))
    learn = ck.Learner(data, network(), loss)
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        learn.fit(1, 1e-3)
    return time.process_time() - began


def walk(batches):
    """Return the seconds that it takes to hand out all batches."""
    began = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - began


def variants(network, loss, batches, loader):
    """Return {name: function without arguments that returns seconds}."""
    held = Ready(list(batches))
    plain = {
        "floor": lambda: by_hand(network, loss, held, fused=True),
        "learner": lambda: by_learner(network, loss, batches),
        "plain": lambda: by_hand(network, loss, loader or held, fused=False),
    }
    return plain | (
        {"data": lambda: walk(batches), "loader": lambda: walk(loader)} if loader else {}
    )


def measure(functions):
    """Return {name: seconds of every round}; the first round warms up and does not count."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    found = [{name: function() for name, function in functions.items()} for _ in range(rounds + 1)]
    return {name: [one[name] for one in found[1:]] for name in functions}


def ratio(found, one, other):
    """Return the median over the rounds of ``one`` in shares of ``other``."""
    return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))


def row(name, found):
    """Return one line of the table."""
    cells = [f"{statistics.median(found['floor']):.3f} s"]
    for variant in ("learner", "plain"):
        there = variant in found
        seconds = f"{statistics.median(found[variant]):.3f} s" if there else "-"
        cells.append(f"{seconds} ({ratio(found, variant, 'floor'):.2f}x)" if there else seconds)
    if "data" in found:
        seconds = statistics.median(found["data"])
        cells.append(f"{seconds:.3f} s, {ratio(found, 'loader', 'data'):.0f}x faster")
    else:
        cells.append("-")
    return f"| {name} | {' | '.join(cells)} |"


def main():
    """Print the table."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{ck.machine()}; {torch.get_num_threads()} thread; {versions}\n")
    print("| workload | floor | learner | plain | its data alone, and over a DataLoader |")
    print("|---|---|---|---|---|")
    workloads = {
        "tiny net (32-64-2), 2,000 ready batches of 32": tiny,
        "the same, shuffled and fed": tiny_fed,
        "ratings, 100,836, 50 factors, batch 512": ratings,
        "table, 200,000 rows, 10 + 10 columns, batch 1,024": columns,
        "4,000 pictures of 32 x 32, mirrored, batch 64": small_pictures,
    }
    for name, workload in workloads.items():
        print(row(name, measure(variants(*workload()))), flush=True)


if __name__ == "__main__":
    main()
