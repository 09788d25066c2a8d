"""What tests that run a lesson share."""

import pytest

from notebooks.source import build


@pytest.fixture
def learner(sample_home, tmp_path):
    """Return the environment of a learner without a GPU whose home folder holds the sample.

    The sample lies where it lay when the notebook was built, in ~/.coursekit, so that a path that
    a lesson prints is the same one.
    """
    return {
        "HOME": str(sample_home.parent),
        "USERPROFILE": str(sample_home.parent),
        "MPLCONFIGDIR": str(build.ROOT / "build" / "matplotlib"),
        "COURSEKIT_HOME": str(sample_home),
        "COURSEKIT_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "COURSEKIT_DATA": "sample",
        "COURSEKIT_DEVICE": "cpu",
        "COURSEKIT_PROGRESS": "off",
        "COURSEKIT_WIDGETS": "off",
    }
