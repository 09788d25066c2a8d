"""Learning-rate schedules: pure functions from progress in [0, 1] to a factor of the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coursekit.console import CourseError
from coursekit.data.batches import check_count
from coursekit.learners.checks import number


def _blend(start: float, end: float, fraction: float) -> float:
    """Move from ``start`` to ``end`` along half a cosine as ``fraction`` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def constant(progress: float) -> float:
    """Keep the rate as it is: the factor is 1 throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Lower the factor from 1 to 0 along half a cosine (arXiv:1608.03983)."""
    return _blend(1.0, 0.0, progress)


@dataclass(frozen=True)
class OneCycle:
    """Warm up to the full rate, then come down far below the start (arXiv:1708.07120).

    Attributes:
        pct_start: fraction of the training in which the rate rises.
        start: factor at the beginning.
        end: factor at the end.
    """

    pct_start: float = 0.3
    start: float = 1 / 25
    end: float = 1 / 250_000

    def __post_init__(self) -> None:
        if number("pct_start", self.pct_start) >= 1:
            raise CourseError(f"pct_start={self.pct_start!r} is no fraction; 0.3 is 30 percent.")

    def __call__(self, progress: float) -> float:
        """Factor of the rate at ``progress`` in [0, 1]."""
        if progress < self.pct_start:
            return _blend(self.start, 1.0, progress / self.pct_start)
        return _blend(1.0, self.end, (progress - self.pct_start) / (1 - self.pct_start))


@dataclass(frozen=True)
class CosineRestarts:
    """Cosine with warm restarts: fall, jump back up, fall again (arXiv:1608.03983).

    Attributes:
        cycles: how many times the rate falls.
        t_mult: each cycle is so many times as long as the one before.
    """

    cycles: int = 3
    t_mult: float = 1

    def __post_init__(self) -> None:
        check_count("cycles", self.cycles)
        number("t_mult", self.t_mult)

    def __call__(self, progress: float) -> float:
        """Factor of the rate at ``progress`` in [0, 1]."""
        lengths = [self.t_mult**number for number in range(self.cycles)]
        position = progress * sum(lengths)
        for length in lengths[:-1]:
            if position < length:
                return cosine(position / length)
            position -= length
        return cosine(min(1.0, position / lengths[-1]))


one_cycle = OneCycle()
