"""Which rows are held out for validation, and which few the quick profile keeps."""

from __future__ import annotations

from typing import Any

import numpy

from coursekit import runtime
from coursekit.console import CourseError


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
    held_out = numpy.zeros(n, bool)
    chosen = numpy.asarray(valid)
    if chosen.ndim == 0:
        if chosen.dtype.kind not in "if" or not 0 < chosen < 1:
            raise CourseError(f"valid={valid!r} is not a fraction between 0 and 1, such as 0.2.")
        count = min(max(1, round(float(chosen) * n)), n - 1)
        chosen = numpy.random.default_rng(seed).permutation(n)[: max(0, count)]
    elif chosen.dtype == bool and len(chosen) == n:
        chosen = numpy.flatnonzero(chosen)
    elif chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < n)).all():
        raise CourseError(f"valid= is neither a mask of {n:,} rows nor row numbers below {n:,}.")
    held_out[chosen] = True
    if not 0 < held_out.sum() < n:
        count = held_out.sum()
        raise CourseError(f"Of {n:,} rows {count:,} would be held out; hold out a fifth, say.")
    return numpy.flatnonzero(~held_out), numpy.flatnonzero(held_out)


def fewer(rows: Any, count: int, seed: int = 0) -> Any:
    """Draw ``count`` of some rows (an array or a list), in order, under the quick profile only."""
    if not runtime.quick() or len(rows) <= count:
        return rows
    chosen = numpy.sort(numpy.random.default_rng(seed).permutation(len(rows))[: max(1, count)])
    return rows[chosen] if isinstance(rows, numpy.ndarray) else [rows[row] for row in chosen]
