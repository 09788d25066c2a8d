"""Run the lessons on the real Colab, on a T4: ``make release-check``, before a release.

It needs the command ``colab`` (``pipx install google-colab-cli``, Python 3.12 or newer), an account
with Colab, and the course published where pyproject.toml says it lives: the first cell of a lesson
gets it from there. The runtime is given back at the end. What ran lies in ``build/release-check``.
"""

import shutil
import subprocess
import sys

import nbformat

from notebooks.source import build

FOLDER = build.ROOT / "build" / "release-check"
SESSION = ["-s", "coursekit-release-check"]


def check(lesson):
    """Run one lesson in a new runtime; return what went wrong in it, cell by cell."""
    copy = FOLDER / lesson.name
    ran = copy.with_name(f"{copy.stem}_output.ipynb")
    notebook = nbformat.read(lesson, as_version=4)
    shown = [number for number, cell in _code(notebook) if cell.outputs]
    for _, cell in _code(notebook):  # what is stored is no proof of a run
        cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, copy)
    ran.unlink(missing_ok=True)
    try:
        subprocess.run(["colab", "new", *SESSION, "--gpu", "T4"], check=True)
        limit = ["--timeout", "3600"]  # seconds a cell; the command's own limit is 30
        subprocess.run(["colab", "exec", *SESSION, "-f", str(copy), *limit], check=True)
        return failures(nbformat.read(ran, as_version=4), shown[-1:])
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        return [str(error)]
    finally:
        subprocess.run(["colab", "stop", *SESSION], check=False)


def _code(notebook):
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return list(enumerate(code, 1))


def failures(notebook, last=()):
    """Return what went wrong in a notebook that ran; ``colab exec`` itself ends well in any case.

    Args:
        notebook: as ``colab exec`` left it.
        last: the numbers of cells that show something, if the run comes as far.
    """
    errors = [
        f"cell {number}: {output.ename}: {output.evalue}"
        for number, cell in _code(notebook)
        for output in cell.outputs
        if output.output_type == "error"
    ]
    silent = [number for number, cell in _code(notebook) if number in last and not cell.outputs]
    return errors or [f"cell {number} shows nothing: the run did not reach it" for number in silent]


def main():
    """Check every lesson; return the exit code."""
    if not shutil.which("colab"):
        print(
            "There is no command `colab` here: pipx install google-colab-cli, then run this again."
        )
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    wrong = {lesson.stem: check(build.target(lesson)) for lesson in build.lessons(build.ROOT)}
    for lesson, errors in wrong.items():
        print(f"{lesson}: {'; '.join(errors) or 'runs on Colab'}")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
