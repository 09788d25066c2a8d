"""The learning-rate sweep: the rate goes up mini-batch by mini-batch, the loss is watched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from coursekit.console import CourseError, progress
from coursekit.data.batches import check_count
from coursekit.learners.checks import NO_BATCH, number
from coursekit.learners.events import Callback, State

BLOCK = 10  # losses that are read from the device at once, so that no step waits for it
SMOOTH = 0.9  # weight of the past in the running mean of the loss
GIVE_UP = 4  # the sweep ends where the smoothed loss passes so many times its best


@dataclass
class Sweep:
    """What a sweep of the learning rate found."""

    rates: list[float] = field(repr=False)  # of each mini-batch
    losses: list[float] = field(repr=False)  # of each mini-batch, before its step
    smoothed: list[float] = field(repr=False)  # running mean, corrected for its start
    suggestion: float | None  # a rate to take; None where the loss hardly fell
    reason: str  # why that one, in a sentence
    stopped: str  # why the sweep ended, in a sentence


class RateSweep(Callback):
    """Raise the rate in equal factors, and stop the training once the loss has exploded."""

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        check_count("steps", steps)
        factor = number("highest", highest) / number("lowest", lowest)
        if factor <= 1:
            raise CourseError(f"lowest={lowest:g} is not below highest={highest:g}; exchange them.")
        self._rates = [lowest * factor ** (step / max(1, steps - 1)) for step in range(steps)]
        self._losses: list[float] = []
        self._unread: list[torch.Tensor] = []
        self._smoothed: list[float] = []
        self._running, self._stopped = 0.0, ""
        self._bar = progress(total=steps, label="learning-rate sweep", unit=" batches")

    def epoch_start(self, state: State) -> None:
        """Go through the data again and again."""
        state.stream = _endless(state, state.stream)

    def batch_ready(self, state: State) -> None:
        """Set the rate of this step."""
        for group in state.optimizer.param_groups:
            group["lr"] = self._rates[state.step]

    def step_done(self, state: State) -> None:
        """Note the loss, and end where it has exploded or the rates are at their end."""
        self._bar.update()
        self._unread.append(state.loss_sum / state.examples)
        state.loss_sum, state.examples = torch.zeros_like(state.loss_sum), 0
        if len(self._unread) < BLOCK and state.step < len(self._rates):
            return
        for step, loss in enumerate(torch.stack(self._unread).tolist(), len(self._losses) + 1):
            self._note(state, step, loss)
            if state.stop:
                break
        self._unread, self._stopped = [], state.stop or ""

    def _note(self, state: State, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            state.stop = f"at mini-batch {step}, the loss was no number any more"
        else:
            best = min(self._smoothed, default=math.inf)
            self._losses.append(loss)
            self._running = SMOOTH * self._running + (1 - SMOOTH) * loss
            self._smoothed.append(self._running / (1 - SMOOTH**step))
            if self._smoothed[-1] > GIVE_UP * best:
                state.stop = (
                    f"at mini-batch {step}, the smoothed loss passed {GIVE_UP} times its best"
                )
            elif step == len(self._rates):
                state.stop = f"it went through all {step} mini-batches"

    def fit_done(self, state: State) -> None:
        """Take the bar away."""
        self._bar.close()

    @property
    def result(self) -> Sweep:
        """What was found, with a suggestion."""
        rates = self._rates[: len(self._losses)]
        found = _suggest(rates, self._smoothed)
        return Sweep(rates, self._losses, self._smoothed, *found, self._stopped)


def _endless(state: State, batches: Iterable) -> Iterator[Any]:
    empty = False
    while not empty:
        empty, state.batch = True, 0
        for batch in batches:
            empty = False
            yield batch
    raise CourseError(NO_BATCH)


def _suggest(rates: list[float], smoothed: list[float]) -> tuple[float | None, str]:
    """Suggest (rate, reason): a tenth of the rate where the smoothed loss is lowest."""
    if len(smoothed) < 2:
        return None, "fewer than two losses were numbers: look at the data and the model first"
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    if smoothed[lowest] > 0.98 * smoothed[0]:
        return None, "the loss fell by less than 2 percent: look at the data and the model first"
    rate = float(f"{rates[lowest] / 10:.1g}")
    reason = f"the smoothed loss is lowest ({smoothed[lowest]:.3g}) at {rates[lowest]:.2g}"
    if rate < rates[0]:
        return rate, f"{reason}; a tenth of that lies below the first rate of the sweep"
    at_rate = min(range(len(rates)), key=lambda step: abs(math.log(rates[step] / rate)))
    there = f"at a tenth of that it is {smoothed[at_rate]:.3g}"
    return rate, f"{reason}; {there}, at the first rate {smoothed[0]:.3g}"
