"""Build the notebooks from their sources: ``python -m notebooks.source.build [01 ...]``.

``notebooks/source/NN_name.py`` (percent format) becomes ``notebooks/NN_name.ipynb`` and, where it
has Japanese cells, ``notebooks/ja/NN_name.ipynb``. The code runs once, on the sample edition and
the CPU, in an empty home folder, and both editions store what that run put out. Without names,
what is stale is built; ``--check`` only says what is stale.

A text cell is tagged ``# %% [markdown] lang="en"``; its translation follows at once, tagged
``lang="ja" of="1a2b3c4d"``, where ``of`` names the English text that it was made from. ``{badges}``
in a text, and the line ``# {set_up}`` in the first code cell, are filled in with the address that
stands in pyproject.toml; ``--address owner/name branch`` moves the whole course elsewhere.

Exercises and quizzes are written once, here in the source:

* ``# %% exercise="1.2"`` is a cell with the solution. What stands between ``# shown: answer = ...``
  and ``# end`` is the solution; the notebook has the text after ``shown:`` in its stead.
* ``# %% [markdown] lang="en" hints="1.2"`` lists up to three hints, ``# - ...``; it is not shown.
* ``# %% [markdown] lang="en" quiz="1"`` lists questions, each followed by its answers
  (``# + right :: why``, ``# - wrong :: why``); the notebook has them folded, to be read.

Hints, solutions and questions go to ``coursekit/exercises/texts/lesson_N.json``, which
``ck.hint``, ``ck.solution`` and ``ck.quiz`` read.
"""

import argparse
import base64
import collections
import hashlib
import io
import itertools
import json
import os
import re
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSION = 3  # raise it when the same source would be stored differently: every notebook is stale
CELL_SECONDS = 600
KEPT = ("text/plain", "image/png")
SET_UP = "# {set_up}"
# for the build only, never stored
OWN_METADATA = {"lang", "of", "place", "lines_to_next_cell", "exercise", "hints", "quiz"}
TEXTS = Path("coursekit") / "exercises" / "texts"


class BuildError(Exception):
    """A lesson cannot be built: one sentence that begins with the place."""


def digest(text, length=8):
    """Return the first hexadecimal digits of the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


# Where the course lives -----------------------------------------------------------------------


def address(root):
    """Return (owner/name of the repository, branch) from pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["coursekit"]
    return settings["repository"], settings["branch"]


def badges(root, notebook):
    """Return the Markdown of the Colab and Kaggle badges of a notebook, such as "ja/01_x.ipynb"."""
    repository, branch = address(root)
    page = f"{repository}/blob/{branch}/notebooks/{notebook}"
    colab, kaggle = "https://colab.research.google.com", "https://kaggle.com"
    return (
        f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({colab}/github/{page}) "
        f"[![Open in Kaggle]({kaggle}/static/images/open-in-kaggle.svg)]"
        f"({kaggle}/kernels/welcome?src=https://github.com/{page})"
    )


def set_up(root):
    """Return the lines of a first cell that get the course where it is not: on Colab and Kaggle.

    They end with an empty line or, after a failed set-up, with one sentence. The runtime keeps the
    course, so that the next notebook has it already.
    """
    repository, branch = address(root)
    return f"""\
# Colab and Kaggle do not have the course yet: get it. Anywhere else this does nothing.
import importlib.util, os
from pathlib import Path

url, branch = "https://github.com/{repository}", "{branch}"
hosts = {{"COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION", "KAGGLE_KERNEL_RUN_TYPE"}}
if hosts & set(os.environ) and not importlib.util.find_spec("coursekit"):
    !rm -rf ~/course
    !git clone -q --depth 1 -b {{branch}} {{url}} ~/course && bash ~/course/setup_colab.sh
    importlib.invalidate_caches()
    if not importlib.util.find_spec("coursekit"):
        mark = Path("~/course/build/setup-problem").expanduser()
        said = mark.read_text() if mark.exists() else ""  # empty where the disk was full
        lost = "The course cannot be fetched: switch the internet on, make room on the disk"
        raise SystemExit(said or f"{{lost}}, then run this cell again.")
"""


def readmes(root):
    """Return {README: (text, text with the addresses of today)}.

    A badge stands between ``<!-- badges:01_name -->`` and ``<!-- /badges -->``, and the first cell,
    to be pasted into any notebook, between ``<!-- set-up -->`` and ``<!-- /set-up -->``.
    """
    cell = f"\n```python\n{set_up(root)}\n%load_ext coursekit\n```\n"

    def today(text):
        text = re.sub(
            r"(<!-- set-up -->).*?(<!-- /set-up -->)",
            lambda found: f"{found[1]}{cell}{found[2]}",
            text,
            flags=re.DOTALL,
        )
        text = re.sub(
            r"(<!-- badges:(\S+) -->).*?(<!-- /badges -->)",
            lambda found: f"{found[1]}{badges(root, found[2] + '.ipynb')}{found[3]}",
            text,
            flags=re.DOTALL,
        )
        return re.sub(r"(git\+https://github\.com/)\S+", rf"\g<1>{'@'.join(address(root))}", text)

    texts = {file: file.read_text("utf-8") for file in sorted(root.glob("README*.md"))}
    return {file: (text, today(text)) for file, text in texts.items()}


# From the source to cells ---------------------------------------------------------------------


def read(source):
    """Return the cells of a lesson, each with its place (file:line) in its metadata."""
    import jupytext

    text = source.read_text("utf-8")
    cells = jupytext.reads(text, fmt="py:percent").cells
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%(\s|$)", line)]
    for number, cell in enumerate(cells, 1):
        at = lines[number - 1] if len(lines) == len(cells) else f"cell {number}"
        cell.metadata["place"] = f"{source.name}:{at}"
    _check_languages(cells)
    return cells


def _check_languages(cells):
    languages = [cell.metadata.get("lang") for cell in cells]
    for n, (cell, language) in enumerate(zip(cells, languages, strict=True)):
        place = cell.metadata["place"]
        if cell.cell_type not in ("markdown", "code") or not cell.source.strip():
            raise BuildError(f"{place}: the cell is empty, or neither text nor code.")
        if (cell.cell_type == "markdown") != (language in ("en", "ja")):
            raise BuildError(f'{place}: text needs lang="en" or lang="ja", code has no language.')
        if language == "en" and "ja" in languages and languages[n + 1 : n + 2] != ["ja"]:
            raise BuildError(f"{place}: its Japanese cell does not follow.")
        if language == "ja" and languages[max(n - 1, 0)] != "en":
            raise BuildError(f"{place}: this Japanese cell does not follow its English one.")
        if language == "ja" and cell.metadata.get("of") != digest(cells[n - 1].source):
            raise BuildError(
                f"{place}: made from another English text; translate it again, "
                f'then write of="{digest(cells[n - 1].source)}".'
            )


def _edition(cells, language, addresses):
    """Return the cells of one language as they are stored: own tags gone, addresses in, ids given.

    Args:
        addresses: {placeholder in a source: the text in its stead}.
    """
    import nbformat

    seen = collections.Counter()
    stored = []
    for cell in cells:
        if cell.metadata.get("lang", language) != language or "hints" in cell.metadata:
            continue
        cell = nbformat.from_dict(cell)
        if "quiz" in cell.metadata:
            cell["source"] = folded(questions(cell))
        seen[cell.source] += 1
        cell["id"] = digest(f"{cell.cell_type} {seen[cell.source]} {cell.source}")
        cell["metadata"] = {k: v for k, v in cell.metadata.items() if k not in OWN_METADATA}
        for placeholder, text in addresses.items():
            cell["source"] = cell.source.replace(placeholder, text)
        stored.append(cell)
    return stored


# Exercises and quizzes ------------------------------------------------------------------------


def open_exercises(cells):
    """Return the cells with the solutions taken out: what a learner finds."""
    import nbformat

    opened = [nbformat.from_dict(cell) for cell in cells]
    for cell in opened:
        if "exercise" in cell.metadata:
            cell["source"] = _without(cell, "solution")
    return opened


def _without(cell, part):
    """Return the source of an exercise without its "solution", or without what is "shown"."""
    lines, within, blocks = [], False, 0
    for line in cell.source.splitlines():
        if found := re.match(r"( *)# shown: (.*)", line):
            within, blocks = True, blocks + 1
            if part == "solution":
                lines.append(f"{found[1]}{found[2]}")
        elif line.strip() == "# end":
            within = False
        elif not (within and part == "solution"):
            lines.append(line)
    if not blocks or within:
        raise BuildError(f"{cell.metadata['place']}: it lacks a `# shown: ...` or an `# end`.")
    return "\n".join(lines)


def questions(cell):
    """Return [{"question": text, "answers": [{"text", "right", "why"}]}] of a quiz cell."""
    found = []
    for block in re.split(r"\n\s*\n", cell.source.strip()):
        joined = re.sub(r"\n(?![+-] )", " ", block)  # a line goes on in the next one
        question, *lines = (" ".join(line.split()) for line in joined.splitlines())
        answers = []
        for line in lines:
            text, _, why = line[2:].partition(" :: ")
            answers.append({"text": text, "right": line[0] == "+", "why": why})
        if sum(one["right"] for one in answers) != 1 or not all(one["why"] for one in answers):
            raise BuildError(
                f"{cell.metadata['place']}: {question!r} needs one right answer (+), wrong ones "
                "(-), and after each of them ` :: ` and why."
            )
        found.append({"question": question, "answers": answers})
    return found


def folded(asked):
    """Return the Markdown of a quiz to be read where no buttons work."""
    parts = ["<details><summary>The same questions to read, with their answers</summary>\n"]
    for number, one in enumerate(asked, 1):
        lettered = list(zip("abcdef", one["answers"], strict=False))
        parts.append(f"**{number}.** {one['question']}\n")
        parts += [f"- {letter}. {answer['text']}" for letter, answer in lettered]
        parts.append("\n<details><summary>Answer</summary>\n")
        right = [(letter, answer) for letter, answer in lettered if answer["right"]]
        wrong = [(letter, answer) for letter, answer in lettered if not answer["right"]]
        parts += [f"- {letter} is right: {answer['why']}" for letter, answer in right]
        parts += [f"- {letter} is not: {answer['why']}" for letter, answer in wrong]
        parts.append("\n</details>\n")
    return "\n".join([*parts, "</details>"])


def texts(cells):
    """Return hints, solutions and questions of a lesson, as ``coursekit.exercises`` reads them."""
    hints = {
        cell.metadata["hints"]: [
            " ".join(hint.split()) for hint in re.split(r"(?:^|\n)- ", cell.source) if hint.strip()
        ]
        for cell in cells
        if "hints" in cell.metadata and cell.metadata["lang"] == "en"
    }
    exercises = {}
    for cell in cells:
        if number := cell.metadata.get("exercise"):
            if not 1 <= len(hints.get(number, [])) <= 3:
                raise BuildError(f"{cell.metadata['place']}: {number} needs one to three hints.")
            lines = _without(cell, "shown").splitlines()
            code = "\n".join(line for line in lines if not line.startswith("ck.check("))
            exercises[number] = {"hints": hints[number], "solution": code.strip()}
    quizzes = [c for c in cells if "quiz" in c.metadata and c.metadata["lang"] == "en"]
    return {"exercises": exercises, "quiz": [one for cell in quizzes for one in questions(cell)]}


def _texts(root, sources):
    """Return {file: its right content} for those lessons that have exercises or a quiz."""
    wanted = {}
    for source in sources:
        found = texts(read(source))
        if any(found.values()):
            file = root / TEXTS / f"lesson_{int(source.name[:2])}.json"
            wanted[file] = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    return wanted


def _write_texts(root, sources):
    for file, content in _texts(root, sources).items():
        if not file.exists() or file.read_text("utf-8") != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, "utf-8", newline="\n")


# One clean run --------------------------------------------------------------------------------


def run(cells, folder, **environment):
    """Run code cells in a fresh kernel in ``folder``; their outputs are put into them.

    Args:
        cells: notebook cells; a ``place`` in a cell's metadata names it in errors.
        folder: the working folder of the kernel.
        environment: variables on top of the present ones, from which the course's own are dropped.

    Raises:
        BuildError: a cell raised, ran too long or ended the kernel.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    env = {k: v for k, v in os.environ.items() if not k.startswith(("COURSEKIT_", "MPLBACKEND"))}
    at = []
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        coalesce_streams=True,
        on_cell_start=lambda cell, cell_index: at.append(cell.metadata.get("place", cell_index)),
    )
    try:
        client.execute(env={**env, "COURSEKIT_PROGRESS": "off", **environment})
    except CellExecutionError as error:
        raise BuildError(f"{at[-1]}: {error.ename}: {error.evalue}") from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise BuildError(f"{at[-1]}: {str(error).strip().splitlines()[0]}") from error


def _run_as_a_learner(cells, folder):
    """Run the lesson as on a new machine without a GPU: nothing fetched, no checkpoint kept."""
    os.environ.setdefault("MPLCONFIGDIR", str(ROOT / "build" / "matplotlib"))
    import matplotlib.font_manager  # noqa: F401  makes the list of fonts, which warns when slow

    with tempfile.TemporaryDirectory() as home:
        choice = {"COURSEKIT_DATA": "sample", "COURSEKIT_DEVICE": "cpu", "COURSEKIT_WIDGETS": "off"}
        run(cells, folder, HOME=home, USERPROFILE=home, **choice)
    for cell in cells:
        if cell.cell_type == "code":
            cell["outputs"] = [kept for output in cell.outputs for kept in _clean(cell, output)]
            _check_text(cell, [home, str(Path.home()), str(ROOT), str(folder), sys.prefix])


def _clean(cell, output):
    """Return what is stored of one output: a list with it, or an empty one."""
    if output.output_type == "error" or output.get("name") == "stderr":
        said = output.get("text") or output.get("evalue")
        raise BuildError(f"{cell.metadata['place']}: not a clean run, it says {said.strip()!r}.")
    if output.output_type == "stream":
        output["text"] = re.sub(r"[^\n]*\r(?!\n)", "", output.text)  # a bar leaves its last state
        return [output] if output.text.strip() else []
    if "application/vnd.jupyter.widget-view+json" in output.data:
        return []
    if "nbval-check-output" in cell.metadata.get("tags", []) and "text/html" in output.data:
        raise BuildError(f"{cell.metadata['place']}: it is compared; print the table, as text.")
    output["data"] = {kind: output.data[kind] for kind in KEPT if kind in output.data}
    if "image/png" in output.data:
        output.data["image/png"] = _lighter(output.data["image/png"])
    output["metadata"] = {}
    return [output] if output.data else []


def _lighter(png):
    """Return a PNG (base64) with 32 shades a colour: no eye sees it, and it takes half the room.

    Pale tints are kept as they are, for there a step of a shade is another hue.
    """
    import numpy
    from PIL import Image

    shades = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))
    rounded = (shades.astype(numpy.int16) + 4) // 8 * 8
    pale = shades.min(-1, keepdims=True) >= 176
    lighter = numpy.where(pale, shades, rounded.clip(0, 255)).astype(numpy.uint8)
    written = io.BytesIO()
    Image.fromarray(lighter).save(written, "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def _check_text(cell, folders):
    place = cell.metadata["place"]
    for output in cell.outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        for folder in (folder for folder in folders if len(folder) > 1 and folder in text):
            raise BuildError(f"{place}: prints a path of this machine, {folder}.")
        if found := re.search(r"<[^\n>]* at 0x[0-9a-f]{6,}>", text):
            raise BuildError(f"{place}: shows {found[0]}; end it with a semicolon.")


# Stored and checked ---------------------------------------------------------------------------


def addresses(root, file):
    """Return {placeholder: text} for the notebook ``file``."""
    notebook = file.relative_to(root / "notebooks").as_posix()
    return {"{badges}": badges(root, notebook), SET_UP: set_up(root)}


def stamp(root, source):
    """Return the digest of everything that a stored notebook is made from."""
    parts = (VERSION, badges(root, source.stem), set_up(root), source.read_text("utf-8"))
    return digest("\n".join(map(str, parts)), 16)


def targets(source):
    """Return {language: the file to be built} of a lesson."""
    files = {"en": source.parent.parent / f"{source.stem}.ipynb"}
    if re.search(r'^# %%.*\blang="ja"', source.read_text("utf-8"), re.MULTILINE):
        files["ja"] = files["en"].parent / "ja" / files["en"].name
    return files


def _whole(cells):
    return digest(json.dumps(cells, sort_keys=True), 16)


def store(file, cells, source_stamp):
    """Write one notebook, whole or not at all, with the digests that ``--check`` compares."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "colab": {"gpuType": "T4", "provenance": []},
    }
    on_disk = json.loads(nbformat.writes(notebook))["cells"]
    notebook.metadata["coursekit"] = {"source": source_stamp, "cells": _whole(on_disk)}
    nbformat.validate(notebook)
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".part")
    partial.write_text(nbformat.writes(notebook) + "\n", "utf-8", newline="\n")
    partial.replace(file)


def state(file, source_stamp):
    """Return what is wrong with a stored notebook, or None."""
    try:
        notebook = json.loads(file.read_text("utf-8"))
        built = notebook["metadata"]["coursekit"]
        if built["source"] != source_stamp:
            return "the source has changed since it was built"
        return None if built["cells"] == _whole(notebook["cells"]) else "changed after it was built"
    except FileNotFoundError:
        return "not built yet"
    except (ValueError, KeyError):
        return "not a notebook that this build wrote"


def stale(root):
    """Return {file: what is wrong with it} for notebooks and READMEs."""
    wanted = {}
    for source in lessons(root):
        wanted |= {file: state(file, stamp(root, source)) for file in targets(source).values()}
    there = (root / "notebooks").glob("[0-9]*.ipynb"), (root / "notebooks" / "ja").glob("*.ipynb")
    wanted |= {
        file: "no source; remove it" for folder in there for file in folder if file not in wanted
    }
    wanted |= {
        f: "addresses are old" for f, (text, right) in readmes(root).items() if text != right
    }
    right = _texts(root, lessons(root))
    wanted |= {
        file: "not what the lesson says"
        for file, content in right.items()
        if not file.exists() or file.read_text("utf-8") != content
    }
    wanted |= {file: "no lesson" for file in (root / TEXTS).glob("*.json") if file not in right}
    return {file: reason for file, reason in wanted.items() if reason}


def lessons(root):
    """Return the sources of the lessons, in order."""
    return sorted((root / "notebooks" / "source").glob("[0-9][0-9]_*.py"))


def build(root, source):
    """Run one lesson, its exercises open, and store its editions."""
    cells, start = open_exercises(read(source)), time.perf_counter()
    _run_as_a_learner(cells, source.parent.parent)
    for language, file in targets(source).items():
        store(file, _edition(cells, language, addresses(root, file)), stamp(root, source))
        size = file.stat().st_size / 1e3
        print(f"{file.relative_to(root)}: {time.perf_counter() - start:.0f} s, {size:.0f} kB")


def move(root, repository, branch):
    """Write another address into pyproject.toml and into what is made from it; nothing is run.

    A notebook that was stale before stays stale.
    """
    import nbformat

    def texts():
        return {
            (source, file): (stamp(root, source), addresses(root, file))
            for source in lessons(root)
            for file in targets(source).values()
        }

    old = texts()
    sound = [key for key, (source_stamp, _) in old.items() if state(key[1], source_stamp) is None]
    project = root / "pyproject.toml"
    text = project.read_text("utf-8")
    for name, value in (("repository", repository), ("branch", branch)):
        text = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', text)
    project.write_text(text, "utf-8", newline="\n")
    new = texts()
    for key in sound:
        cells = nbformat.read(key[1], as_version=4).cells
        for cell, placeholder in itertools.product(cells, old[key][1]):
            before, after = old[key][1][placeholder], new[key][1][placeholder]
            cell["source"] = cell.source.replace(before, after)
        store(key[1], cells, new[key][0])
    _write_readmes(root)


def _write_readmes(root):
    for file, (text, right) in readmes(root).items():
        if text != right:
            file.write_text(right, "utf-8", newline="\n")


def main(arguments=None, root=ROOT):
    """Build, or check; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m notebooks.source.build", description="Build lessons."
    )
    parser.add_argument("names", nargs="*", help="lessons such as 01; without: what is stale")
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    parser.add_argument(
        "--address", nargs=2, metavar=("OWNER/NAME", "BRANCH"), help="move the course there"
    )
    asked = parser.parse_args(arguments)
    if asked.address:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+ [\w./-]+", " ".join(asked.address)):
            parser.error("give the repository as owner/name and a branch, such as ada/course main.")
        move(root, *asked.address)
        return 0
    old = stale(root)
    if asked.check:
        for file, reason in old.items():
            print(f"{file.relative_to(root)}: {reason}.")
        print("`make notebooks` builds what is stale." if old else "Everything is built.")
        return int(bool(old))
    chosen = [
        source
        for source in lessons(root)
        if source.stem.startswith(tuple(asked.names))
        or (not asked.names and old.keys() & set(targets(source).values()))
    ]
    if asked.names and not chosen:
        parser.error(f"no lesson is named {', '.join(asked.names)}.")
    try:
        _write_texts(root, chosen)  # before the lessons run: they show hints and quizzes
        for source in chosen:
            build(root, source)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    _write_readmes(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
