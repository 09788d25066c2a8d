"""Learning-rate schedules: pure functions from progress in [0, 1] to a factor of the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coursekit.arguments import checked
from coursekit.console import CourseError
from coursekit.data.batches import check_count
from coursekit.learners.checks import number


def _blend(start: float, end: float, fraction: float) -> float:
    """Move from ``start`` to ``end`` along half a cosine as ``fraction`` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


@checked
def constant(progress: float) -> float:
    """Keep the rate as it is: the factor is 1 throughout."""
    return 1.0


@checked
def cosine(progress: float) -> float:
    """Lower the factor from 1 to 0 along half a cosine (arXiv:1608.03983)."""
    return _blend(1.0, 0.0, progress)


@checked
def one_cycle(progress: float) -> float:
    """Warm up from 1/25 to 1 within 30 percent, then fall to 1/250,000 (arXiv:1708.07120)."""
    if progress < 0.3:
        return _blend(1 / 25, 1.0, progress / 0.3)
    return _blend(1.0, 1 / 250_000, (progress - 0.3) / (1 - 0.3))


@checked
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
        if self.cycles > 1000:
            raise CourseError(f"cycles={self.cycles} are more than there are epochs; give fewer.")
        number("t_mult", self.t_mult)

    def __call__(self, progress: float) -> float:
        """Factor of the rate at ``progress`` in [0, 1]."""
        lengths = [self.t_mult**cycle for cycle in range(self.cycles)]
        position = progress * sum(lengths)
        for length in lengths[:-1]:
            if position < length:
                return cosine(position / length)
            position -= length
        return cosine(min(1.0, position / lengths[-1]))
