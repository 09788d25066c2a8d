"""The learning-rate sweep: the rate goes up mini-batch by mini-batch, the loss is watched."""

import math
from dataclasses import dataclass, field

import torch

from coursekit.console import progress

SMOOTH = 0.9  # weight of the past in the running mean of the loss
GIVE_UP = 4  # the sweep ends where the smoothed loss passes so many times its best


@dataclass
class Sweep:
    """What a sweep of the learning rate found.

    Attributes:
        rates: the learning rate of each mini-batch.
        losses: the training loss of each mini-batch, before its step.
        smoothed: running mean of the losses, corrected for its start.
        suggestion: a rate to take, or None where the loss never fell.
        reason: why that one, in a sentence.
        stopped: why the sweep ended, in a sentence.
    """

    rates: list = field(repr=False)
    losses: list = field(repr=False)
    smoothed: list = field(repr=False)
    suggestion: float | None
    reason: str
    stopped: str


def sweep(one_step, batches, lowest, highest, steps):
    """Train ``steps`` mini-batches at rates from ``lowest`` to ``highest`` and return a ``Sweep``.

    Args:
        one_step: (x, y, rate) -> loss before the step, a tensor.
        batches: iterable of (x, y), gone through again when it ends.
        lowest, highest: first and last rate; they grow by equal factors.
        steps: mini-batches at most.

    The losses are read from the device in blocks, so that it is not waited for at every step.
    """
    rates = [lowest * (highest / lowest) ** (step / max(1, steps - 1)) for step in range(steps)]
    losses, waiting, stopped = [], [], f"it went through all {steps} mini-batches"
    with progress(total=steps, label="learning-rate sweep", unit=" batches") as bar:
        for rate, (x, y) in zip(rates, _endless(batches), strict=False):
            waiting.append(one_step(x, y, rate))
            bar.update()
            if len(waiting) < 10 and len(losses) + len(waiting) < steps:
                continue
            losses += torch.stack(waiting).float().tolist()
            waiting = []
            end = _where_to_stop(losses)
            if end is not None:
                losses = losses[: end + 1]
                what = (
                    f"the smoothed loss passed {GIVE_UP} times its best"
                    if math.isfinite(losses[end])
                    else "the loss was no number any more"
                )
                stopped = f"at mini-batch {end + 1}, {what}"
                break
    losses = [loss for loss in losses if math.isfinite(loss)]
    smoothed = _smooth(losses)
    return Sweep(rates[: len(losses)], losses, smoothed, *_suggest(rates, smoothed), stopped)


def _endless(batches):
    while True:
        yield from batches


def _smooth(losses):
    running, smoothed = 0.0, []
    for number, loss in enumerate(losses, 1):
        running = SMOOTH * running + (1 - SMOOTH) * loss
        smoothed.append(running / (1 - SMOOTH**number))
    return smoothed


def _where_to_stop(losses):
    """Return the mini-batch at which the sweep ends, or None."""
    best = math.inf
    for number, loss in enumerate(_smooth(losses)):
        if not math.isfinite(loss) or (number and loss > GIVE_UP * best):
            return number
        best = min(best, loss)
    return None


def _suggest(rates, smoothed):
    """Return (rate, reason): a tenth of the rate where the smoothed loss is lowest."""
    if len(smoothed) < 2 or min(smoothed) > 0.98 * smoothed[0]:
        return None, "the loss never fell: look at the data and the model first"
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    rate = float(f"{rates[lowest] / 10:.1g}")
    reason = (
        f"the smoothed loss is lowest at {rates[lowest]:.2g}; a tenth of that still falls fast "
        "and is far from where it climbs"
    )
    return rate, reason
