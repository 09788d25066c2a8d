"""The notebook build: what it stores, what it refuses, what it calls stale."""

import base64
import io
import json
import re
import shutil

import nbformat
import numpy
import pytest
from PIL import Image

from coursekit.exercises.checking import exercises
from notebooks.source import build

SETTINGS = '[tool.coursekit]\nrepository = "someone/course"\nbranch = "main"\n'
LESSON = """\
# %% [markdown]
# # One
# {badges}

# %% tags=["nbval-check-output"]
# %matplotlib inline
import os

import matplotlib.pyplot as plt

print("10%\\r90%\\rdone")
print(sorted(name for name in os.environ if name.startswith("COURSEKIT_")))
1 + 1

# %%
# {set_up}

# %%
from IPython.display import HTML
from ipywidgets import IntSlider

display(HTML("<b>bold</b>"), IntSlider())
fig, axes = plt.subplots(figsize=(1, 1))
axes.imshow([[[255, 0, 0], [0, 0, 255]]]);

# %%
print("same")

# %%
print("same")
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course of one small lesson, built once."""
    root = tmp_path_factory.mktemp("course")
    _write(root, LESSON)
    (root / "README.md").write_text(
        "| <!-- badges:01_tiny -->old<!-- /badges --> |\n<!-- set-up -->old<!-- /set-up -->\n"
        "%pip install git+https://github.com/old/x\n"
    )
    assert build.main([], root) == 0
    return root


def _write(root, text):
    (root / "notebooks" / "source").mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(SETTINGS)
    source = root / "notebooks" / "source" / "01_tiny.py"
    source.write_text(text, "utf-8")
    return source


@pytest.fixture
def copied(course, tmp_path):
    """Return a copy of the built course, to be spoilt."""
    return shutil.copytree(course, tmp_path / "copy")


def _stored(root):
    return nbformat.read(root / "notebooks" / "01_tiny.ipynb", as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_only_text_and_pictures_of_one_run_are_stored(course):
    """Widget state makes GitHub refuse a notebook; HTML tables double its size."""
    code = _code(_stored(course))
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5]
    kinds = [set(output.data) for cell in code for output in cell.outputs if "data" in output]
    assert kinds == [{"text/plain"}, {"text/plain"}, {"text/plain", "image/png"}]
    assert "widgets" not in _stored(course).metadata


def test_the_run_is_that_of_a_learner(course):
    """A variable of the maintainer's shell in the stored outputs; a bar as a hundred lines."""
    done, shown = _code(_stored(course))[0].outputs[0].text.splitlines()
    assert done == "done"
    wanted = ["COURSEKIT_DATA", "COURSEKIT_DEVICE", "COURSEKIT_PROGRESS", "COURSEKIT_WIDGETS"]
    assert shown == str(wanted)


def test_magics_tags_ids_and_metadata(course):
    """A lost tag compares nothing, a commented magic does nothing, random ids make noisy diffs."""
    notebook = _stored(course)
    first = _code(notebook)[0]
    assert first.source.startswith("%matplotlib inline")
    assert first.metadata == {"tags": ["nbval-check-output"]}
    assert all(cell.metadata == {} for cell in notebook.cells if cell is not first)
    again = build.read(course / "notebooks" / "source" / "01_tiny.py", course)
    ids = [cell.id for cell in notebook.cells]
    assert [cell.id for cell in again] == ids
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.colab == {"gpuType": "T4", "provenance": []}
    assert notebook.metadata.kernelspec.name == "python3"


def test_addresses_come_from_pyproject(course):
    """A wrong branch in a badge is a common bug, and nobody but a learner sees it."""
    colab = "https://colab.research.google.com/github/someone/course/blob/main/notebooks/"
    readme, set_up = (course / "README.md").read_text(), build.set_up(course)
    assert f"{colab}01_tiny.ipynb)" in _stored(course).cells[0].source
    assert f"{colab}01_tiny.ipynb)" in readme
    assert "-b main https://github.com/someone/course " in set_up
    assert _code(_stored(course))[1].source == set_up
    assert f"<!-- set-up -->\n```python\n{set_up}\n```\n<!-- /set-up -->" in readme
    assert readme.endswith("%pip install git+https://github.com/someone/course@main\n")
    assert len(set_up.splitlines()) <= 6


def test_a_fork_moves_without_running_anything(copied, monkeypatch, capsys):
    """Hours of computing for a new address, or a badge that still opens the old one."""
    before = [cell.get("outputs") for cell in _stored(copied).cells]
    monkeypatch.setattr(build, "run", None)
    assert build.main(["--address", "ada/fork", "trunk"], copied) == 0
    assert build.main(["--check"], copied) == 0, capsys.readouterr().out
    assert build.address(copied) == ("ada/fork", "trunk")
    for file in [*copied.rglob("*.ipynb"), copied / "README.md"]:
        text = file.read_text("utf-8")
        assert "ada/fork" in text
        assert "someone/course" not in text
    assert [cell.get("outputs") for cell in _stored(copied).cells] == before


def test_a_fork_leaves_stale_what_was_stale(copied, capsys):
    """A move that passes off old outputs as those of the present source."""
    _edit_source(copied)
    build.main(["--address", "ada/fork", "trunk"], copied)
    assert build.main(["--check"], copied) == 1
    assert "01_tiny.ipynb: the source has changed" in capsys.readouterr().out


@pytest.mark.parametrize("repository", ["", "fork", "https://github.com/ada/fork"])
def test_an_address_that_is_none_is_refused(repository, copied):
    """`make address` without REPO would leave badges that lead nowhere."""
    with pytest.raises(SystemExit):
        build.main(["--address", repository, "main"], copied)
    assert build.address(copied) == ("someone/course", "main")


def _edit_source(root):
    file = root / "notebooks" / "source" / "01_tiny.py"
    file.write_text(file.read_text("utf-8") + '\n# %%\nprint("new")\n', "utf-8")


def _run_a_cell_by_hand(root):
    file = root / "notebooks" / "01_tiny.ipynb"
    notebook = json.loads(file.read_text("utf-8"))
    notebook["cells"][1]["execution_count"] = 7
    file.write_text(json.dumps(notebook), "utf-8")


SPOILT = {
    "nothing": (lambda root: None, ""),
    "changed source": (_edit_source, "the source has changed"),
    "saved from JupyterLab": (_run_a_cell_by_hand, "changed after it was built"),
    "lost": (lambda root: (root / "notebooks/01_tiny.ipynb").unlink(), "not built yet"),
    "merge conflict": (
        lambda root: (root / "notebooks/01_tiny.ipynb").write_text("<<<<"),
        "not a notebook",
    ),
    "lesson renamed": (
        lambda root: (root / "notebooks/02_old.ipynb").write_text("{}"),
        "no source",
    ),
    "repository renamed": (
        lambda root: (root / "pyproject.toml").write_text(SETTINGS.replace("someone", "else")),
        "addresses are old",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_check_names_what_is_stale(kind, copied, capsys):
    """A stale notebook shows learners other numbers than the code in it would give."""
    spoil, sentence = SPOILT[kind]
    spoil(copied)
    assert build.main(["--check"], copied) == int(bool(sentence))
    assert sentence in capsys.readouterr().out


BAD = {
    "empty cell": ("# %%\n\n# %%\n2", ":4: the cell is empty"),
    "unknown exercise": ('# %% exercise="1.99"\n', ":4: there is no exercise 1.99"),
    "raises": ("# %%\n1 / 0", ":4: ZeroDivisionError: division by zero"),
    "warns": ('# %%\nimport sys\nprint("careful", file=sys.stderr)', ":4: not a clean run"),
    "shows a folder": ("# %%\nimport os\nos.path.expanduser('~')", ":4: prints a path"),
    "shows an address": ("# %%\nobject()", ":4: shows <object at 0x"),
    "ends the kernel": ("# %%\nimport os\nos._exit(1)", ":4: "),
    "compares a table": (
        '# %% tags=["nbval-check-output"]\nimport pandas\npandas.DataFrame([1])',
        ":4: it is compared; print the table",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_lesson_is_refused_with_its_place_and_nothing_is_stored(kind, tmp_path, capsys):
    """Else a learner reads the traceback, the warning or the path of another's machine."""
    cell, sentence = BAD[kind]
    _write(tmp_path, f"# %%\nfine = 1\n\n{cell}\n")
    assert build.main(["01"], tmp_path) == 1
    assert f"01_tiny.py{sentence}" in capsys.readouterr().err
    assert not list((tmp_path / "notebooks").glob("*.ipynb"))


def test_an_unknown_lesson_is_an_error(course, capsys):
    """A typo that builds nothing and says nothing looks like success."""
    with pytest.raises(SystemExit):
        build.main(["09"], course)
    assert "no lesson is named 09" in capsys.readouterr().err


def test_exercises_and_quizzes_are_filled_in(tmp_path):
    """The solution on the page, or a question without its answer for who has no buttons."""
    text, code, quiz, folded = build.read(
        _write(tmp_path, '# %% exercise="1.2"\n\n# %% quiz="1"\n'), tmp_path
    )
    asked = exercises(1)["1.2"]
    assert text.source == f"**1.2** {asked.text}"
    assert code.source == asked.open_cell
    assert code.source.startswith("def softmax(scores):\n    return ...\n")
    assert quiz.source == "ck.quiz(1)"
    assert folded.source.count("<details>") == folded.source.count("</details>") == 10
    assert len(re.findall(r"- [a-d] is right: \w", folded.source)) == 9
    assert not re.search(r"- [a-d]\. .*\n\n- ", folded.source), "a list of answers that is cut"


def test_a_picture_keeps_its_colors(course):
    """A palette that turns a red line brown."""
    picture = _code(_stored(course))[2].outputs[-1].data["image/png"]
    shown = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB"))
    for color in ([255, 0, 0], [0, 0, 255], [255, 255, 255]):
        assert abs(shown.astype(int) - color).sum(-1).min() <= 8
