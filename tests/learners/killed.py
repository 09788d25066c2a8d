"""Train in a child process that kills itself at a chosen moment; the next child goes on.

Called by test_checkpoints.py as ``python killed.py FOLDER SECONDS_BETWEEN MOMENTS``. One parent
imports torch, each run is a fork of it. A moment is a number of calls of Python functions into the
fit, so that the test has no clock in it and a moment can lie anywhere: within a step, between two
batches, while a checkpoint is written or moved.
"""

import hashlib
import json
import os
import random
import signal
import sys
import threading
from pathlib import Path

import numpy
import torch
from torch import nn
from tqdm import tqdm

import coursekit as ck
from coursekit.learners import checkpoints

EPOCHS = 4


class Log(ck.Callback):
    """Write down every batch that was trained, at once."""

    transient = ("_file",)

    def __init__(self, file):
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def step_done(self, state):
        """Write epoch and batch."""
        assert state.stop not in {"too late", "too early"}  # a set: its order differs by kernel
        os.write(self._file, f"{state.epoch} {state.batch}\n".encode())


def noisy(x):
    """Change every example by a draw of its own, as an augmentation does."""
    return x + 0.1 * torch.randn_like(x) + random.random() * 0.01 + numpy.random.rand() * 0.01


def fit(log):
    """Train what draws random numbers in every way, and return all that is left of it as text."""
    ck.seed(3)
    x = torch.randn(41, 6)
    y = (x[:, 0] * x[:, 1] > 0).long()
    train = ck.Batches(x, y, batch_size=8, shuffle=True, transform=noisy)
    data = ck.Data(train, ck.Batches(x[:20], y[:20], batch_size=8))
    model = nn.Sequential(
        nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 2)
    )
    learn = ck.Learner(
        data,
        model,
        ck.cross_entropy,
        metrics=[ck.accuracy],
        callbacks=[ck.KeepBestWeights("accuracy")],
    )
    history = learn.fit(EPOCHS, 0.05, name="fit", callbacks=[Log(log), ck.Mixup(2)])
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    weights = hashlib.sha256()
    for value in model.state_dict().values():
        weights.update(value.numpy().tobytes())
    later = [random.random(), numpy.random.rand(), torch.rand(1).item()]
    return json.dumps([weights.hexdigest(), rows, later])


def die_after(calls):
    """Kill this process after so many calls of functions, or only count them."""
    count = 0

    def step(_frame, _event, _argument):
        nonlocal count
        count += 1
        if count == calls:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.settrace(step)
    return lambda: count


def run(folder, calls=None):
    """Fit in a child process; return whether it came to its end."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    code = 1
    try:
        os.environ["COURSEKIT_CHECKPOINTS"] = str(folder / "checkpoints")
        counted = die_after(calls)
        left = fit(folder / "log")
        (folder / "result").write_text(left)
        (folder / "calls").write_text(str(counted()))
        code = 0
    finally:
        os._exit(code)


def trained(folder):
    """Return the batches that were trained since the last call, as (epoch, batch)."""
    log = folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [tuple(map(int, line.split())) for line in lines]


def cut(folder, moments):
    """Run, be killed at each of the moments in turn, and run to the end."""
    folder.mkdir()
    runs = []
    for calls in [*moments, None]:
        finished = run(folder, calls)
        runs.append(trained(folder))
        if finished:
            break
    return {"finished": finished, "runs": runs, "result": (folder / "result").read_text()}


def main(folder, seconds, moments):
    """Print, as JSON, what the uncut run and every cut one came to."""
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # its thread may hold a lock at the moment of a fork, for good
    tqdm.set_lock(threading.RLock())  # its own is shared: a process that is killed keeps it
    checkpoints.SECONDS_BETWEEN = float(seconds)
    folder, draw = Path(folder), random.Random(11)
    fit(folder / "log")  # what torch imports and builds on first use is in all children then
    whole = cut(folder / "whole", [])
    calls = int((folder / "whole" / "calls").read_text())
    cuts = [[draw.randrange(1, calls)] for _ in range(int(moments))]
    cuts.append([draw.randrange(calls // 3, calls // 2) for _ in range(8)])  # again and again
    results = [cut(folder / f"cut{number}", moments) for number, moments in enumerate(cuts)]
    Path(folder / "all.json").write_text(json.dumps({"whole": whole, "cuts": results}))


if __name__ == "__main__":
    main(*sys.argv[1:])
