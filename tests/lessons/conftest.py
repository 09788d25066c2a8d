"""What tests that run a lesson share."""

import numpy as np
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


@pytest.fixture
def show(say):
    """Return a function that says mean and standard deviation over the seeds of each figure."""
    return lambda **figures: say(
        "; ".join(f"{k} {np.mean(v):.4f} ± {np.std(v):.4f}" for k, v in figures.items())
    )


@pytest.fixture
def published(real_home, monkeypatch):
    """Let ``fetch`` find the published data, where they are."""
    for name, folder in real_home.items():
        monkeypatch.setenv(name, folder)
