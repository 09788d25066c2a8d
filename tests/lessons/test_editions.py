"""The lessons as they are stored, run cell by cell in an edition of the data."""

import os
import subprocess
import sys
import time

import nbformat
import pytest

from notebooks.source import build

LESSONS = build.lessons(build.ROOT)
names = pytest.mark.parametrize("source", LESSONS, ids=lambda file: file.stem)
pytestmark = pytest.mark.editions


def _nbval(notebook, environment):
    """Run a notebook under nbval; return (whether it passed, what was printed)."""
    options = "--nbval-lax --nbval-current-env --nbval-cell-timeout=1800 -p no:cacheprovider"
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), str(notebook)],
        env=env | environment,
        cwd=build.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode == 0, ran.stdout + ran.stderr


@names
def test_lesson_runs_and_shows_what_is_stored(source, learner, say):
    """A lesson that dies in the middle, or shows other results than the ones it talks about."""
    began = time.monotonic()
    passed, printed = _nbval(build.target(source), learner)
    say(f"{source.stem}, sample: {time.monotonic() - began:.0f} s")
    assert passed, printed


@pytest.mark.real
@names
def test_lesson_runs_on_real_data(source, learner, real_home, say):
    """Samples are forgiving: sizes, modes and names of real files break what they do not."""
    full = {"COURSEKIT_DATA": "full", "COURSEKIT_QUICK": "1"}
    cells = nbformat.read(build.target(source), as_version=4).cells
    began = time.monotonic()
    build.run(cells, source.parent, **learner | real_home | full)
    say(f"{source.stem}, full edition, quick: {time.monotonic() - began:.0f} s")


def test_nbval_can_fail(learner, tmp_path):
    """A run of all lessons that passes whatever happens in them."""
    compared, cells = {"tags": ["nbval-check-output"]}, []
    for source, stored in (("print(1 + 1)", "2\n"), ("print(1 + 1)", "3\n"), ("1 / 0", "")):
        output = [nbformat.v4.new_output("stream", text=stored)] if stored else []
        options = {"outputs": output, "metadata": compared, "execution_count": len(cells) + 1}
        cells.append(nbformat.v4.new_code_cell(source, **options))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "tiny.ipynb")
    passed, printed = _nbval(tmp_path / "tiny.ipynb", learner)
    assert not passed
    assert "2 failed, 1 passed" in printed
