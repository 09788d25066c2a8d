"""Tests of ``%load_ext coursekit`` and of errors, in a real IPython shell and in a real kernel."""

import os
import random
import sys
import textwrap

import matplotlib
import nbformat
import pytest
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from nbclient import NotebookClient


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Return a real IPython shell, forgotten afterwards."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("COURSEKIT_DEVICE", "cpu")
    TerminalInteractiveShell.clear_instance()
    shell = TerminalInteractiveShell.instance()
    yield shell
    matplotlib.use("agg", force=True)
    shell.history_manager.end_session()
    TerminalInteractiveShell.clear_instance()


def lines(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_twice_is_no_error(shell, capsys):
    """A cell run again would raise, or leave the seed where it was."""
    shell.run_line_magic("load_ext", "coursekit")
    drawn = random.random()
    shell.run_line_magic("load_ext", "coursekit")
    assert "already loaded" in capsys.readouterr().out
    shell.run_line_magic("reload_ext", "coursekit")
    wanted = "data: sample edition (no GPU can be used); seed 42; edited modules are reloaded"
    assert lines(capsys)[-1] == wanted
    assert drawn == random.random()


def test_profile_and_edition_are_said(shell, capsys, monkeypatch):
    """Numbers of the quick profile would be taken for the lesson's."""
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    monkeypatch.setenv("COURSEKIT_DATA", "full")
    shell.run_line_magic("load_ext", "coursekit")
    wanted = "data: full edition (asked for by COURSEKIT_DATA), quick profile; seed 42"
    assert lines(capsys)[-1].startswith(wanted)


def test_autoreload_that_cannot_be_imported(shell, capsys, monkeypatch):
    """On Colab the first cell of every lesson would die for want of imp."""

    def fail(name):
        raise ModuleNotFoundError("No module named 'imp'")

    monkeypatch.delitem(sys.modules, "IPython.extensions.autoreload", raising=False)
    monkeypatch.setattr("IPython.core.extensions.import_module", fail)
    shell.run_line_magic("load_ext", "coursekit")
    assert lines(capsys)[-1].endswith("seed 42; edited modules are not reloaded")


def test_in_a_real_kernel(tmp_path, monkeypatch):
    """The hook would work in a shell and not in Jupyter; figures would open nowhere."""
    monkeypatch.setenv("COURSEKIT_DEVICE", "cpu")
    monkeypatch.setenv("COURSEKIT_PROGRESS", "off")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    cells = [
        "%load_ext coursekit",
        "import coursekit as ck\nck.images('/nowhere')",
        "%load_ext coursekit",
        """
        import matplotlib.pyplot as plt
        plt.plot([1, 2]);
        """,
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
    )
    NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute(
        env={**os.environ}
    )
    first, error, again, figure = (cell.outputs for cell in notebook.cells)
    assert "".join(output.text for output in first).startswith("jupyter, CPU, float32")
    (error,) = error
    assert error.traceback == ["CourseError: There is no folder /nowhere; check the path."]
    assert error.evalue == "There is no folder /nowhere; check the path."
    assert "already loaded" in again[0].text
    assert "image/png" in figure[-1].data
