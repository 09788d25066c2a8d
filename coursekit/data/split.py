"""Which rows are held out for validation, and which few the quick profile keeps."""

from __future__ import annotations

from typing import Any

import numpy

from coursekit import runtime
from coursekit.console import CourseError, reason


def split(n: int, valid: Any, seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Split ``n`` rows into training and validation.

    Args:
        n: number of rows.
        valid: what is held out: a fraction such as 0.2, drawn at random; a mask (n,) of True and
            False; or the numbers of the rows, counted from 0.
        seed: of the random fraction; the same seed and ``n`` give the same rows.

    Returns:
        (training rows, validation rows): int64, ascending, without overlap.

    Raises:
        CourseError: ``valid`` is none of these, or leaves a part without rows.
    """
    if numpy.ndim(valid) == 0:
        if not isinstance(valid, (int, float, numpy.number)) or not 0 < valid < 1:
            raise CourseError(f"valid={valid!r} is not a fraction between 0 and 1, such as 0.2.")
        count = min(max(1, round(float(valid) * n)), n - 1)
        valid = _shuffled(n, seed)[: max(0, count)]
    held_out = numpy.zeros(n, bool)
    held_out[row_numbers("valid", valid, n)] = True
    if not 0 < held_out.sum() < n:
        count = held_out.sum()
        raise CourseError(f"Of {n:,} rows {count:,} would be held out; hold out a fifth, say.")
    return numpy.flatnonzero(~held_out), numpy.flatnonzero(held_out)


def row_numbers(name: str, rows: Any, n: int) -> numpy.ndarray:
    """Numbers (M,) int64 of the rows, from 0 to n - 1, that an argument takes out of ``n``.

    They may be given as numbers, as a mask of n times True and False, or as a slice.
    """
    every = numpy.arange(n)
    if isinstance(rows, slice):
        return every[rows]
    chosen = numpy.asarray(rows.cpu() if hasattr(rows, "cpu") else rows)
    chosen = chosen if chosen.size else chosen.astype(int)
    numbers = chosen.dtype.kind in "iu" and ((chosen >= 0) & (chosen < n)).all()
    if chosen.ndim != 1 or not (numbers or (chosen.dtype == bool and len(chosen) == n)):
        raise CourseError(f"{name}= is neither a mask of {n:,} rows nor row numbers below {n:,}.")
    return every[chosen]


def fewer(rows: Any, count: int, seed: int = 0) -> Any:
    """Draw ``count`` of some rows (an array or a list), in order, under the quick profile only."""
    if not runtime.quick() or len(rows) <= count:
        return rows
    chosen = numpy.sort(_shuffled(len(rows), seed)[: max(1, count)])
    return rows[chosen] if isinstance(rows, numpy.ndarray) else [rows[row] for row in chosen]


def _shuffled(n: int, seed: int) -> numpy.ndarray:
    try:
        return numpy.random.default_rng(seed).permutation(n)
    except (TypeError, ValueError) as error:
        raise CourseError(f"seed={seed!r} is no seed ({reason(error)}); give 0, 1, 2.") from error
