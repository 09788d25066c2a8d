"""The built-in data sets as learners get them, to compare with what the programs make today."""

import numpy as np
import pytest

from coursekit.data.fetch import fetch


@pytest.fixture(scope="session")
def carried(sample_home):
    """Fetch the sample edition that the package carries: ``carried("dogscats")`` is its folder."""
    return lambda name: fetch(name, edition="sample")


@pytest.fixture(scope="session")
def look_alike():
    """Compare two pictures of one size and mode with a tolerance.

    Pillow rasterizes and resizes a little differently from version to version, and so does libjpeg.
    Another drawing differs twenty times as much.
    """

    def compare(one, other, tolerance=2.0):
        assert (one.size, one.mode) == (other.size, other.mode)
        difference = np.asarray(one, float) - np.asarray(other, float)
        return np.abs(difference).mean() <= tolerance

    return compare
