"""Which rows are held out: a fraction, a mask or numbers, the same for every kind of data."""

import numpy
import pytest

from coursekit.console import CourseError
from coursekit.data.batches import fewer, split


@pytest.mark.parametrize(("n", "fraction"), [(20, 0.5), (20, 0.1), (20, 0.01), (2, 0.99), (7, 0.2)])
def test_a_fraction_is_drawn_by_the_seed(n, fraction):
    """A fraction rounded to nothing, rows in both parts, or another part in every session."""
    train, valid = split(n, fraction, seed=3)
    assert len(valid) == min(max(1, round(fraction * n)), n - 1)
    assert sorted([*train, *valid]) == list(range(n))
    assert (numpy.diff(train) > 0).all()
    assert split(n, fraction, seed=3)[1].tolist() == valid.tolist()
    assert split(50, 0.2, seed=1)[1].tolist() != split(50, 0.2, seed=2)[1].tolist()


def test_masks_and_numbers_of_rows():
    """Zeros and ones of a mask taken for the rows 0 and 1."""
    mask = numpy.array([False, True, False, True])
    for valid in (mask, mask.tolist(), [3, 1], numpy.array([1, 3], "uint8"), [1, 3, 3]):
        train, held_out = split(4, valid)
        assert (train.tolist(), held_out.tolist()) == ([0, 2], [1, 3])


@pytest.mark.parametrize(
    "valid",
    [0, 1, 1.5, -0.1, [0.5, 0.7], [[1]], [4], [-1], [], [True], [0, 1, 2, 3]],
)
def test_what_cannot_be_held_out(valid):
    """All rows, none, or others than were meant."""
    with pytest.raises(CourseError):
        split(4, valid)
    with pytest.raises(CourseError):
        split(1, 0.5)


def test_fewer_rows_under_the_quick_profile_only(monkeypatch):
    """A trial run on a million rows, or a lesson that leaves rows out."""
    rows, names = numpy.arange(100, 200), [f"{number:02}" for number in range(40)]
    assert fewer(rows, 10) is rows
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    assert len(fewer(rows, 10)) == 10
    assert fewer(rows, 10, seed=1).tolist() == sorted(fewer(rows, 10, seed=1).tolist())
    assert fewer(names, 5) == sorted(fewer(names, 5))
    assert len(fewer(names, 5)) == 5
    assert fewer(names, 40) is names
    assert len(fewer(rows, 0)) == 1
