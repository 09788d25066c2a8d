"""Build the notebooks from their sources: ``python -m notebooks.source.build [01 ...]``.

``notebooks/source/NN_name.py`` (percent format) becomes ``notebooks/NN_name.ipynb``. The code runs
once, on the sample edition and the CPU, in an empty home folder, and what that run put out is
stored. Without names, what is stale is built; ``--check`` only says what is stale.

These are filled in:

* the line ``# {set_up}``: the first code cell, which gets the course where it is not;
* ``{badges}`` in a text: the buttons that open the notebook in Colab and Kaggle;
* a cell ``# %% exercise="1.2"``: the text of the exercise and the cell for the answer;
* a cell ``# %% quiz="1"``: the quiz, and below it the same questions to read.

The address of the course stands in pyproject.toml; ``--address owner/name branch`` moves it.
"""

from __future__ import annotations

import argparse
import base64
import collections
import hashlib
import io
import json
import os
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coursekit.exercises.checking import exercises
from coursekit.exercises.quiz import questions

ROOT = Path(__file__).resolve().parents[2]
VERSION = 4  # raise it when the same source would be stored differently: every notebook is stale
CELL_SECONDS = 600
KEPT = ("text/plain", "image/png")
OWN_METADATA = {"place", "lines_to_next_cell", "exercise", "quiz"}  # for the build, never stored
Cell = Any  # nbformat's NotebookNode


class BuildError(Exception):
    """A lesson cannot be built: a sentence that begins with the place."""


def digest(text: str, length: int = 8) -> str:
    """First hexadecimal digits of the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


# Where the course lives -----------------------------------------------------------------------


def address(root: Path) -> tuple[str, str]:
    """Owner/name of the repository, and branch, from pyproject.toml."""
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["coursekit"]
    return settings["repository"], settings["branch"]


def badges(root: Path, name: str) -> str:
    """Markdown of the Colab and Kaggle badges of a notebook, such as "01_classification"."""
    repository, branch = address(root)
    page = f"{repository}/blob/{branch}/notebooks/{name}.ipynb"
    colab, kaggle = "https://colab.research.google.com", "https://kaggle.com"
    return (
        f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({colab}/github/{page}) "
        f"[![Open in Kaggle]({kaggle}/static/images/open-in-kaggle.svg)]"
        f"({kaggle}/kernels/welcome?src=https://github.com/{page})"
    )


def set_up(root: Path) -> str:
    """Code of the first cell: gets the course where it is not, and loads it.

    The set-up ends with a sentence that says what to do where it fails. The runtime keeps the
    course, so that the next notebook has it already.
    """
    repository, branch = address(root)
    clone = f"git clone -q --depth 1 -b {branch} https://github.com/{repository} ~/.course"
    return f"""\
try:
    import coursekit
except ModuleNotFoundError:  # on Colab and Kaggle: fetch the course
    !rm -rf ~/.course; {clone} && bash ~/.course/setup_colab.sh
    if _exit_code: raise SystemExit("Do as the line above says (is the internet on?), then rerun.")
%load_ext coursekit"""


def readmes(root: Path) -> dict[Path, str]:
    """{README: its text with the addresses of today}, where that is not what it says.

    A badge stands between ``<!-- badges:01_name -->`` and ``<!-- /badges -->``, and the first cell,
    to be pasted into any notebook, between ``<!-- set-up -->`` and ``<!-- /set-up -->``.
    """
    filled = {
        r"(<!-- set-up -->).*?(<!-- /set-up -->)": lambda _: f"\n```python\n{set_up(root)}\n```\n",
        r"(<!-- badges:\S+ -->).*?(<!-- /badges -->)": lambda mark: badges(
            root, mark[12:-4].strip()
        ),
        r"(git\+https://github\.com/)\S+()": lambda _: "@".join(address(root)),
    }
    found = {}
    for file in sorted(root.glob("README*.md")):
        text = before = file.read_text("utf-8")
        for pattern, content in filled.items():
            text = re.sub(f"(?s){pattern}", lambda m, c=content: f"{m[1]}{c(m[1])}{m[2]}", text)
        if text != before:
            found[file] = text
    return found


# From the source to cells ---------------------------------------------------------------------


def lessons(root: Path) -> list[Path]:
    """Sources of the lessons, in order."""
    return sorted((root / "notebooks" / "source").glob("[0-9][0-9]_*.py"))


def target(source: Path) -> Path:
    """The notebook that is built from a source."""
    return source.parent.parent / f"{source.stem}.ipynb"


def read(source: Path, root: Path = ROOT) -> list[Cell]:
    """Cells of a lesson as they are run and stored, each with its place (file:line)."""
    import jupytext

    text = source.read_text("utf-8")
    cells = jupytext.reads(text, fmt="py:percent").cells
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%(\s|$)", line)]
    for number, cell in enumerate(cells):
        at = lines[number] if len(lines) == len(cells) else f"cell {number + 1}"
        cell.metadata["place"] = f"{source.name}:{at}"
    filled = [part for cell in cells for part in _filled(cell)]
    seen = collections.Counter()
    for cell in filled:
        seen[cell.source] += 1
        cell["id"] = digest(f"{cell.cell_type} {seen[cell.source]} {cell.source}")
        if cell.cell_type == "code":
            cell["source"] = cell.source.replace("# {set_up}", set_up(root))
    for cell in texts(filled):
        cell["source"] = cell.source.replace("{badges}", badges(root, source.stem))
    return filled


def texts(cells: list[Cell]) -> Iterator[Cell]:
    """The cells of text: what a translation of the lesson replaces; all else stays the same."""
    return (cell for cell in cells if cell.cell_type == "markdown")


def _filled(cell: Cell) -> list[Cell]:
    """An exercise or a quiz in place of the cell that names it; any other cell as it is."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    marks = {"place": cell.metadata["place"]}
    if number := cell.metadata.get("exercise"):
        known = exercises(int(number[0])).get(number)
        if known is None:
            raise BuildError(f"{marks['place']}: there is no exercise {number}.")
        text = new_markdown_cell(f"**{number}** {known.text}", metadata=marks)
        return [text, new_code_cell(known.open_cell, metadata=marks | {"exercise": number})]
    if number := cell.metadata.get("quiz"):
        text = new_markdown_cell(_folded(int(number)), metadata=marks)
        return [new_code_cell(f"ck.quiz({number})", metadata=marks), text]
    if cell.cell_type not in ("markdown", "code") or not cell.source.strip():
        raise BuildError(f"{marks['place']}: the cell is empty, or neither text nor code.")
    return [cell]


def _folded(lesson: int) -> str:
    """Markdown of a quiz, to be read where no buttons work."""
    parts = ["<details><summary>The same questions to read, with their answers</summary>\n"]
    for number, question in enumerate(questions(lesson), 1):
        parts.append(f"**{number}.** {question.text}\n")
        parts += [f"- {letter}. {answer.text}" for letter, answer in question.answers.items()]
        parts.append("\n<details><summary>Answer</summary>\n")
        for letter, answer in sorted(question.answers.items(), key=lambda one: not one[1].right):
            parts.append(f"- {letter} is {'right' if answer.right else 'not'}: {answer.why}")
        parts.append("\n</details>\n")
    return "\n".join([*parts, "</details>"])


# One clean run --------------------------------------------------------------------------------


def run(cells: list[Cell], folder: Path, **environment: str) -> None:
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


def _run_as_a_learner(cells: list[Cell], folder: Path) -> None:
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


def _clean(cell: Cell, output: Any) -> list:
    """What is stored of one output: a list with it, or an empty one."""
    place = cell.metadata["place"]
    if output.output_type == "error" or output.get("name") == "stderr":
        text = output.get("text") or output.get("evalue")
        raise BuildError(f"{place}: not a clean run, it says {text.strip()!r}.")
    if output.output_type == "stream":
        output["text"] = re.sub(r"[^\n]*\r(?!\n)", "", output.text)  # a bar leaves its last state
        return [output] if output.text.strip() else []
    if "application/vnd.jupyter.widget-view+json" in output.data:
        return []
    if "nbval-check-output" in cell.metadata.get("tags", []) and "text/html" in output.data:
        raise BuildError(f"{place}: it is compared; print the table, as text.")
    output["data"] = {kind: output.data[kind] for kind in KEPT if kind in output.data}
    if "image/png" in output.data:
        output.data["image/png"] = _lighter(output.data["image/png"])
    output["metadata"] = {}
    return [output] if output.data else []


def _lighter(png: str) -> str:
    """A PNG (base64) with a palette of 256 colors, at a third of the size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    written = io.BytesIO()
    picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(written, "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def _check_text(cell: Cell, folders: list[str]) -> None:
    place = cell.metadata["place"]
    for output in cell.outputs:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        for folder in (folder for folder in folders if len(folder) > 1 and folder in text):
            raise BuildError(f"{place}: prints a path of this machine, {folder}.")
        if found := re.search(r"<[^\n>]* at 0x[0-9a-f]{6,}>", text):
            raise BuildError(f"{place}: shows {found[0]}; end it with a semicolon.")


# Stored and checked ---------------------------------------------------------------------------


def stamp(cells: list[Cell]) -> str:
    """Digest of everything that a stored notebook is made from."""
    kept = [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in cells]
    return digest(f"{VERSION} {json.dumps(kept)}", 16)


def _whole(cells: list[Cell]) -> str:
    return digest(json.dumps(cells, sort_keys=True), 16)


def store(file: Path, cells: list[Cell], made_from: str) -> None:
    """Write one notebook, whole or not at all, with the digests that ``--check`` compares."""
    import nbformat

    for cell in cells:
        for name in OWN_METADATA & set(cell.metadata):
            del cell.metadata[name]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "colab": {"gpuType": "T4", "provenance": []},
    }
    on_disk = json.loads(nbformat.writes(notebook))["cells"]
    notebook.metadata["coursekit"] = {"source": made_from, "cells": _whole(on_disk)}
    nbformat.validate(notebook)
    partial = file.with_suffix(".part")
    partial.write_text(nbformat.writes(notebook) + "\n", "utf-8", newline="\n")
    partial.replace(file)


def state(file: Path, made_from: str) -> str | None:
    """What is wrong with a stored notebook, or None."""
    try:
        notebook = json.loads(file.read_text("utf-8"))
        built = notebook["metadata"]["coursekit"]
        if built["source"] != made_from:
            return "the source has changed since it was built"
        return None if built["cells"] == _whole(notebook["cells"]) else "changed after it was built"
    except FileNotFoundError:
        return "not built yet"
    except (ValueError, KeyError):
        return "not a notebook that this build wrote"


def stale(root: Path, read_lessons: dict[Path, list[Cell]]) -> dict[Path, str]:
    """{file: what is wrong with it} of notebooks and READMEs."""
    found = {target(one): state(target(one), stamp(cells)) for one, cells in read_lessons.items()}
    for file in (root / "notebooks").glob("[0-9]*.ipynb"):
        found.setdefault(file, "no source; remove it")
    found |= dict.fromkeys(readmes(root), "addresses are old")
    return {file: reason for file, reason in found.items() if reason}


def build(source: Path, cells: list[Cell]) -> None:
    """Run one lesson and store it."""
    start, made_from, file = time.perf_counter(), stamp(cells), target(source)
    _run_as_a_learner(cells, file.parent)
    store(file, cells, made_from)
    print(f"{file.name}: {time.perf_counter() - start:.0f} s, {file.stat().st_size / 1e3:.0f} kB")


def move(root: Path, repository: str, branch: str) -> None:
    """Write another address into pyproject.toml and into what is made from it; nothing is run.

    A notebook that was stale before stays stale.
    """
    import nbformat

    sound = [one for one in lessons(root) if state(target(one), stamp(read(one, root))) is None]
    project = root / "pyproject.toml"
    text = project.read_text("utf-8")
    for name, value in (("repository", repository), ("branch", branch)):
        text = re.sub(rf'(?m)^{name} = ".*"$', f'{name} = "{value}"', text)
    project.write_text(text, "utf-8", newline="\n")
    for source in sound:
        cells, moved = nbformat.read(target(source), as_version=4).cells, read(source, root)
        for cell, new in zip(cells, moved, strict=True):
            cell["source"] = new.source
        store(target(source), cells, stamp(moved))


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
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
    try:
        known = {source: read(source, root) for source in lessons(root)}
        old = stale(root, known)
        if asked.check:
            for file, reason in old.items():
                print(f"{file.relative_to(root)}: {reason}.")
            print("`make notebooks` builds what is stale." if old else "Everything is built.")
            return int(bool(old))
        if asked.address:
            if not re.fullmatch(r"[\w.-]+/[\w.-]+ [\w./-]+", " ".join(asked.address)):
                parser.error("give owner/name of the repository and a branch: ada/course main.")
            move(root, *asked.address)
            chosen = []
        elif asked.names:
            chosen = [source for source in known if source.stem.startswith(tuple(asked.names))]
            if not chosen:
                parser.error(f"no lesson is named {', '.join(asked.names)}.")
        else:
            chosen = [source for source in known if target(source) in old]
        for source in chosen:
            build(source, known[source])
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    for file, text in readmes(root).items():
        file.write_text(text, "utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
