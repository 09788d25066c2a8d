"""What all tests share: a silent environment, one sample data set per checkout, the real data."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# At import, before any test module is read: matplotlib and the course look at these early.
os.environ["COURSEKIT_PROGRESS"] = "off"
os.environ["MPLBACKEND"] = "Agg"
if "PYTEST_XDIST_WORKER" in os.environ:  # a thread for each: two that wait for a core are slower
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
for name in ("COURSEKIT_DATA", "COURSEKIT_DEVICE", "COURSEKIT_QUICK"):
    os.environ.pop(name, None)

# Kinds of tests that run only where they are asked for: by COURSEKIT_TESTS ("claims real", or
# "all"), or by pytest's -m.
EXTRA = {
    "claims": "numbers that the lessons claim, trained over three seeds",
    "editions": "each lesson as it is stored, run in the sample edition",
    "browser": "the lessons in JupyterLab and Chromium",
    "colab": "the lessons on a stand-in for Colab, which takes 6 GB in build/",
    "real": "published data and weights, in the folder that COURSEKIT_REAL names",
}
# Files that take longest begin first, so that nothing is waited for alone at the end.
FIRST = ("test_editions", "test_colab", "test_browser", "test_notebooks", "test_claims")


def pytest_configure(config):
    """Register the markers."""
    for kind, what in EXTRA.items():
        config.addinivalue_line("markers", f"{kind}: {what}; asked for by COURSEKIT_TESTS={kind}")


def asked(config):
    """Return the kinds of tests that are asked for."""
    words = re.findall(r"\w+", f"{os.environ.get('COURSEKIT_TESTS', '')} {config.option.markexpr}")
    return list(EXTRA) if "all" in words else words


def pytest_collection_modifyitems(config, items):
    """Skip the kinds that are not asked for, and put what takes longest first.

    A test that has the marks of two kinds is of the kind that stands nearest to it.
    """
    for item in items:
        kind = next((mark.name for mark in item.iter_markers() if mark.name in EXTRA), None)
        if kind and kind not in asked(config):
            reason = f"{EXTRA[kind]}: only with COURSEKIT_TESTS={kind}"
            item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: [not item.path.stem.startswith(first) for first in FIRST])


@pytest.fixture
def say(record_property):
    """Return a function that says something, a time or a figure, below the results."""
    return lambda text: record_property("said", text)


def pytest_terminal_summary(terminalreporter):
    """Show what the tests said."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties:
            if name == "said" and report.when == "call":
                terminalreporter.write_line(f"{report.nodeid.split('::')[1]}: {text}")


@pytest.fixture(scope="session")
def sample_home():
    """Return a COURSEKIT_HOME that is kept between runs, so that a sample is made once."""
    home = ROOT / "build" / "test-home" / ".coursekit"
    home.mkdir(parents=True, exist_ok=True)
    return home


@pytest.fixture(scope="session", autouse=True)
def _own_folders(sample_home, tmp_path_factory):
    """Keep every test out of the home folder of whoever runs them, and away from old fits."""
    os.environ["COURSEKIT_HOME"] = str(sample_home)
    os.environ["COURSEKIT_CHECKPOINTS"] = str(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(autouse=True)
def _own_checkpoints(tmp_path, monkeypatch):
    """Let no test go on with the fit of the test before it."""
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", str(tmp_path / "checkpoints"))


@pytest.fixture(scope="session")
def real_data():
    """Return the folder of real data, named by COURSEKIT_REAL or ../shared/data; else skip."""
    folder = Path(os.environ.get("COURSEKIT_REAL") or ROOT.parent / "shared" / "data").resolve()
    if not (folder / "dogscats").is_dir():
        pytest.skip("there are no real photographs; COURSEKIT_REAL names the folder of dogscats")
    return folder


def _stand_for(there, wanted):
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to(there)


@pytest.fixture(scope="session")
def real_home(real_data, tmp_path_factory):
    """Return {variable: folder} where the real data stand for the downloads, weights included."""
    weights = real_data.parent / "weights" / "squeezenet1_0-imagenet.pth"
    if not weights.is_file():
        pytest.skip(f"there are no ImageNet weights beside the real data: {weights.name}")
    home, torch_home = tmp_path_factory.mktemp("real-home"), tmp_path_factory.mktemp("torch-home")
    for folder in real_data.iterdir():
        if folder.name != "satellite":
            _stand_for(folder, home / "full" / folder.name)
    for there, name in (("train-jpg", "train-jpg"), ("labels.csv", "train_v2.csv")):
        _stand_for(real_data / "satellite" / there, home / "full" / "planet" / name)
    _stand_for(weights, torch_home / "hub" / "checkpoints" / "squeezenet1_0-b66bff10.pth")
    return {"COURSEKIT_HOME": str(home), "TORCH_HOME": str(torch_home)}
