"""The notebook build: what it stores, what it refuses, what it calls stale."""

import json
import re
import shutil

import nbformat
import pytest

from notebooks.source import build

SETTINGS = '[tool.coursekit]\nrepository = "someone/course"\nbranch = "main"\n'
LESSON = """\
# %% [markdown] lang="en"
# # One
# {{badges}}

# %% [markdown] lang="ja" of="{of}"
# # 一
# {{badges}}

# %% tags=["nbval-check-output"]
# %matplotlib inline
import os

import matplotlib.pyplot as plt

print("10%\\r90%\\rdone")
print(sorted(name for name in os.environ if name.startswith("COURSEKIT_")))
1 + 1

# %%
# {{set_up}}
from IPython.display import HTML
from ipywidgets import IntSlider

display(HTML("<b>bold</b>"), IntSlider())
fig, axes = plt.subplots(figsize=(1, 1))

# %%
print("same")

# %%
print("same")
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course of one small lesson, built once in both languages."""
    root = tmp_path_factory.mktemp("course")
    _write(root, LESSON.format(of=build.digest("# One\n{badges}")))
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


def _stored(root, name="01_tiny.ipynb"):
    return nbformat.read(root / "notebooks" / name, as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_one_run_is_stored_in_both_languages(course):
    """Two runs would give two editions with different numbers under the same text."""
    english, japanese = _stored(course), _stored(course, "ja/01_tiny.ipynb")
    assert english.cells[0].source.startswith("# One")
    assert japanese.cells[0].source.startswith("# 一")
    assert len(english.cells) == len(japanese.cells) == 5
    assert _code(english) == _code(japanese)
    assert [cell.execution_count for cell in _code(english)] == [1, 2, 3, 4]


def test_only_text_and_pictures_are_stored(course):
    """Widget state makes GitHub refuse a notebook; HTML tables double its size."""
    notebook = _stored(course)
    kinds = [
        set(output.data) for cell in _code(notebook) for output in cell.outputs if "data" in output
    ]
    assert kinds == [{"text/plain"}, {"text/plain"}, {"text/plain", "image/png"}]
    assert "widgets" not in notebook.metadata


def test_a_progress_bar_leaves_its_last_state(course):
    """A stored bar shows up as a hundred lines."""
    assert _code(_stored(course))[0].outputs[0].text.startswith("done\n")


def test_the_run_is_that_of_a_learner(course):
    """A variable left over in the maintainer's shell would get into the stored outputs."""
    shown = _code(_stored(course))[0].outputs[0].text.splitlines()[1]
    assert (
        shown == "['COURSEKIT_DATA', 'COURSEKIT_DEVICE', 'COURSEKIT_PROGRESS', 'COURSEKIT_WIDGETS']"
    )


def test_magics_tags_ids_and_metadata(course):
    """A lost tag compares nothing, a commented magic does nothing, random ids make noisy diffs."""
    notebook = _stored(course)
    first = _code(notebook)[0]
    assert first.source.startswith("%matplotlib inline")
    assert first.metadata == {"tags": ["nbval-check-output"]}
    assert all(cell.metadata == {} for cell in notebook.cells if cell is not first)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    again = build._edition(build.read(course / "notebooks" / "source" / "01_tiny.py"), "en", {})
    assert [cell.id for cell in again] == ids
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.colab == {"gpuType": "T4", "provenance": []}
    assert notebook.metadata.kernelspec.name == "python3"


def test_addresses_come_from_pyproject(course):
    """A wrong branch in a badge is a common bug, and nobody but a learner sees it."""
    colab = "https://colab.research.google.com/github/someone/course/blob/main/notebooks/"
    for name in ("01_tiny.ipynb", "ja/01_tiny.ipynb"):
        assert f"{colab}{name})" in _stored(course, name).cells[0].source
    readme = (course / "README.md").read_text()
    assert f"{colab}01_tiny.ipynb)" in readme
    assert readme.endswith("%pip install git+https://github.com/someone/course@main\n")
    assert readme.startswith("| <!-- badges:01_tiny -->[![Open in Colab]")
    set_up = build.set_up(course)
    assert '"https://github.com/someone/course", "main"' in set_up
    assert f"<!-- set-up -->\n```python\n{set_up}\n%load_ext coursekit\n```\n<!-- /set-up" in readme
    assert f"{set_up}\nfrom IPython" in _code(_stored(course))[1].source


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
    assert "the source has changed" in capsys.readouterr().out


def test_an_address_that_is_none_is_refused(copied, capsys):
    """`make address` without REPO would leave badges that lead nowhere."""
    for repository in ("", "fork", "https://github.com/ada/fork"):
        with pytest.raises(SystemExit):
            build.main(["--address", repository, "main"], copied)
    assert "owner/name" in capsys.readouterr().err
    assert build.address(copied) == ("someone/course", "main")


def test_check_is_content_after_a_build(course, capsys):
    """A check that always complains is ignored."""
    assert build.main(["--check"], course) == 0
    assert capsys.readouterr().out == "Everything is built.\n"


def _edit_source(root):
    file = root / "notebooks" / "source" / "01_tiny.py"
    file.write_text(file.read_text("utf-8") + '\n# %%\nprint("new")\n', "utf-8")


def _run_a_cell_by_hand(root):
    file = root / "notebooks" / "01_tiny.ipynb"
    notebook = json.loads(file.read_text("utf-8"))
    notebook["cells"][1]["execution_count"] = 7
    file.write_text(json.dumps(notebook), "utf-8")


def _move_house(root):
    (root / "pyproject.toml").write_text(SETTINGS.replace("someone", "else"))


SPOILT = {
    "changed source": (_edit_source, "the source has changed"),
    "saved from JupyterLab": (_run_a_cell_by_hand, "changed after it was built"),
    "lost": (lambda root: (root / "notebooks/ja/01_tiny.ipynb").unlink(), "not built yet"),
    "merge conflict": (
        lambda root: (root / "notebooks/01_tiny.ipynb").write_text("<<<<"),
        "not a notebook",
    ),
    "lesson renamed": (
        lambda root: (root / "notebooks/02_old.ipynb").write_text("{}"),
        "no source; remove it",
    ),
    "repository renamed": (_move_house, "addresses are old"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_check_names_what_is_stale(kind, copied, capsys):
    """A stale notebook shows learners other numbers than the code in it would give."""
    spoil, sentence = SPOILT[kind]
    spoil(copied)
    assert build.main(["--check"], copied) == 1
    assert sentence in capsys.readouterr().out


BAD_TEXT = {
    "no language": ("# %% [markdown]\n# Hi\n", "01_tiny.py:1: text needs"),
    "code with a language": ('# %% lang="en"\n1\n', "01_tiny.py:1: text needs"),
    "empty cell": ("# %%\n1\n\n# %%\n\n# %%\n2\n", "01_tiny.py:4: the cell is empty"),
    "translation without text": (
        '# %% [markdown] lang="ja" of="00000000"\n# や\n',
        "01_tiny.py:1: this Japanese cell",
    ),
    "text without translation": (
        '# %% [markdown] lang="en"\n# Hi\n\n# %% [markdown] lang="en"\n# Ho\n\n'
        '# %% [markdown] lang="ja" of="d5ba07ab"\n# ほ\n',
        "01_tiny.py:1: its Japanese cell does not follow",
    ),
    "stale translation": (LESSON.format(of="00000000"), "01_tiny.py:5: made from another English"),
}


@pytest.mark.parametrize("kind", BAD_TEXT)
def test_bad_text_is_refused_with_its_place(kind, tmp_path):
    """A translation of a sentence that has changed since says something else than the lesson."""
    text, sentence = BAD_TEXT[kind]
    with pytest.raises(build.BuildError, match=re.escape(sentence)):
        build.read(_write(tmp_path, text))


def test_the_hash_in_the_message_mends_a_stale_translation(tmp_path):
    """A message that names a wrong hash sends the translator round in circles."""
    with pytest.raises(build.BuildError) as caught:
        build.read(_write(tmp_path, LESSON.format(of="00000000")))
    of = re.search(r'of="(\w{8})"', str(caught.value))[1]
    assert len(build.read(_write(tmp_path, LESSON.format(of=of)))) == 6


BAD_CODE = {
    "raises": ("1 / 0", ":4: ZeroDivisionError: division by zero"),
    "warns": ('import sys\nprint("careful", file=sys.stderr)', ":4: not a clean run"),
    "shows a folder": ("import os\nos.path.expanduser('~')", ":4: prints a path"),
    "shows an address": ("object()", ":4: shows <object at 0x"),
    "ends the kernel": ("import os\nos._exit(1)", ":4: "),
}


@pytest.mark.parametrize("kind", BAD_CODE)
def test_an_unclean_run_is_refused_and_nothing_is_stored(kind, tmp_path, capsys):
    """Else a learner reads the traceback, the warning or the path of another's machine."""
    code, sentence = BAD_CODE[kind]
    _write(tmp_path, f"# %%\nfine = 1\n\n# %%\n{code}\n")
    assert build.main(["01"], tmp_path) == 1
    assert f"01_tiny.py{sentence}" in capsys.readouterr().err
    assert not list((tmp_path / "notebooks").glob("*.ipynb"))


def test_an_unknown_lesson_is_an_error(course, capsys):
    """A typo that builds nothing and says nothing looks like success."""
    with pytest.raises(SystemExit):
        build.main(["09"], course)
    assert "no lesson is named 09" in capsys.readouterr().err


EXERCISE = """\
# %% [markdown] lang="en" hints="1.1"
# - The first
#   hint.
# - The second.

# %% exercise="1.1"
def double(x):
    # shown: return ...
    return 2 * x
    # end


ck.check("1.1", double)

# %% [markdown] lang="en" quiz="1"
# Is it a
# question?
# + Yes. :: It has an
#   answer.
# - No. :: It has one.
"""


def test_an_exercise_is_made_from_its_solution(tmp_path):
    """The solution on the page, or a hint in its place; a solution that still shows its marks."""
    cells = build.read(_write(tmp_path, EXERCISE))
    opened = build.open_exercises(cells)
    shown = build._edition(opened, "en", {})
    code = next(cell.source for cell in shown if cell.cell_type == "code")
    assert "    return ...\n" in code
    assert "2 * x" not in code
    assert "hint" not in "".join(cell.source for cell in shown)
    known = build.texts(cells)
    exercise = known["exercises"]["1.1"]
    assert exercise["hints"] == ["The first hint.", "The second."]
    assert exercise["solution"] == "def double(x):\n    return 2 * x"
    assert known["quiz"] == [
        {
            "question": "Is it a question?",
            "answers": [
                {"text": "Yes.", "right": True, "why": "It has an answer."},
                {"text": "No.", "right": False, "why": "It has one."},
            ],
        }
    ]
    folded = shown[-1].source
    assert folded.count("<details>") == folded.count("</details>") == 2
    assert "- a is right: It has an answer." in folded


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("    # end\n", "", "lacks a `# shown"),
        ("# + Yes.", "# - Yes.", "needs one right answer"),
        (" :: It has one.", "", "needs one right answer"),
        ('hints="1.1"', 'hints="1.2"', "1.1 needs one to three hints"),
    ],
)
def test_half_an_exercise_is_refused(old, new, sentence, tmp_path):
    """A quiz without a right answer, a solution without an end: found by the learner."""
    assert old in EXERCISE
    cells = build.read(_write(tmp_path, EXERCISE.replace(old, new)))

    def built():
        return build._edition(build.open_exercises(cells), "en", {}), build.texts(cells)

    with pytest.raises(build.BuildError, match=re.escape(sentence)):
        built()


def test_a_compared_table_must_be_text(tmp_path):
    """A table is stored as text alone, so that nbval would miss its HTML in every run."""
    output = nbformat.v4.new_output("execute_result", {"text/plain": "1", "text/html": "<b>1</b>"})
    cell = nbformat.v4.new_code_cell("x", metadata={"tags": ["nbval-check-output"], "place": "x:1"})
    with pytest.raises(build.BuildError, match="x:1: it is compared; print the table"):
        build._clean(cell, output)
