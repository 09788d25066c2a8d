"""The set-up for Colab and Kaggle, its failures, and the first cell, on a runtime of links."""

import os
import re
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from notebooks.source import build
from tests.system import release_check, runtimes

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Colab and Kaggle are Linux")
pytestmark = needs_linux

BROKEN_GPU = """
import torch
def ones(*size, device=None, real=torch.ones):
    if device == "cuda":
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
    return real(*size, device=device)
torch.ones, torch.cuda.is_available = ones, lambda: True
"""
LITTLE_ROOM = """
import shutil
def usage(folder, real=shutil.disk_usage):
    return real(folder)._replace(free=1e6 if "/small/" in str(folder) else 1e12)
shutil.disk_usage = usage
"""
NO_ROOM = """
import errno, os, pathlib
def write(self, *rest, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
pathlib.Path.write_text = write
"""
VISION = 'raise RuntimeError("operator torchvision::nms does not exist")'
PIP = {  # what pip says -> what the set-up makes of it
    "ERROR: OSError: [Errno 28] No space left on device": "The disk is full",
    "error: externally-managed-environment": "the operating system",
    "ERROR: ResolutionImpossible: for help visit": "beside what is here",
}


@pytest.fixture
def course(tmp_path):
    """Return a copy of the course with one of its archives of samples, the smallest."""
    return runtimes.copied(tmp_path, "[!n]*.tar.xz")


@pytest.fixture
def small(tmp_path):
    """Return a runtime of links to the packages that are here, which sees no index but PyPI."""
    runtime = runtimes.Runtime(tmp_path / "runtime")
    runtime.environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    return runtime


def _tool(file, does):
    """Write a command; return its file."""
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)
    return file


def _python(runtime, called_with, does):
    """Return a Python of a runtime that does something first when it is called in some way."""
    case = f'case "$*" in {called_with}) {does};; esac'
    fake = runtime.folder / "python-in-trouble"
    return str(_tool(fake, f'{case}\nexec "{runtime.python}" "$@"'))


def _with_module(runtime, called_with, name, content):
    """Return a Python that finds a module of ours first, when it is called in some way."""
    folder = runtime.folder / f"own {len(list(runtime.folder.iterdir()))}"
    folder.mkdir()
    (folder / f"{name}.py").write_text(content)
    export = f'PYTHONPATH="{folder}:$PYTHONPATH"; export PYTHONPATH'
    return _python(runtime, called_with, export)


def _wheel(name, folder):
    """Make a wheel of an installed package of pure Python; return how pip finds nothing else."""
    packages = Path(sysconfig.get_path("purelib"))
    (dist_info,) = packages.glob(f"{name}-*.dist-info")
    folder.mkdir()
    wheel = folder / f"{dist_info.name.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in [*(packages / name).rglob("*"), *dist_info.rglob("*")]:
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(packages))
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def _stops(runtime, course, sentence, **environment):
    """Assert that the set-up stops with one sentence at the end, and a remedy in it."""
    code, printed = runtime.set_up(course, **environment)
    assert code == 1, printed
    last = printed.splitlines()[-1]
    assert last.startswith("The set-up stopped. ")
    assert sentence in last, printed
    assert re.search(r": .*again( in it)?\.$", last), "there is a remedy"
    assert "Traceback" not in printed


def _ends(runtime, course, *sentences, **environment):
    """Assert that the set-up comes to its end and says these sentences."""
    code, printed = runtime.set_up(course, **environment)
    assert code == 0, printed
    for sentence in sentences:
        assert sentence in printed


def test_half_a_clone_or_no_python_is_told(small, course):
    """A traceback about a file that git had not brought yet."""
    _stops(small, course, "There is no Python 3.11 or newer", PYTHON="false")
    for name in ("setup_colab.py", "coursekit/__init__.py", "pyproject.toml"):
        there = (course / name).read_bytes()
        (course / name).write_bytes(b"")
        _stops(small, course, "This copy of the course is not whole: delete the folder")
        (course / name).write_bytes(there)


def test_elsewhere_nothing_is_installed(small, course):
    """A set-up for Colab that installs things on the learner's own computer."""
    for name in runtimes.COLAB:
        del small.environment[name]
    code, printed = small.set_up(course)
    assert code == 1
    assert "neither Colab nor Kaggle, and nothing was installed" in printed
    assert "make lab" in printed
    assert not list(small.packages.glob("coursekit*"))


def test_failures_are_one_sentence_and_the_next_run_heals(small, course, tmp_path):
    """A wall of red text, after which the learner reinstalls everything and breaks torch."""
    small.lose("tqdm")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/"}  # nothing listens there
    _stops(small, course, "index could not be reached for tqdm", **nowhere)
    for says, sentence in PIP.items():
        python = _python(small, "'-m pip install'*", f"echo '{says}'; exit 1")
        _stops(small, course, sentence, PYTHON=python)
    (tmp_path / "small" / "tmp").mkdir(parents=True)
    trouble = {"TMPDIR": str(tmp_path / "small" / "tmp")}
    trouble["PYTHON"] = _with_module(small, "*setup_colab.py", "sitecustomize", LITTLE_ROOM)
    _stops(small, course, "The disk is full, 1 MB are free", **trouble)
    python = _with_module(small, "*setup_colab.py", "sitecustomize", NO_ROOM)
    _stops(small, course, "The disk is full: delete files that you no longer need", PYTHON=python)
    wheels = _wheel("tqdm", tmp_path / "wheels")
    python = _with_module(small, "*probe", "torchvision", VISION)
    _stops(small, course, "(RuntimeError: operator torchvision::nms", PYTHON=python, **wheels)

    # A P100, say, that is there and cannot run what this torch was built to
    python = _with_module(small, "*probe", "sitecustomize", BROKEN_GPU)
    cannot = "The GPU cannot be used (CUDA error: no kernel image is available"
    _ends(small, course, cannot, "until you choose another GPU: Runtime > Change", PYTHON=python)
    assert {"tqdm", "coursekit"} <= {f.name for f in small.packages.iterdir() if not f.is_symlink()}
    (archive,) = small.packages.glob("coursekit/data/samples/*.xz")
    archive.write_bytes(archive.read_bytes()[:-1])
    none, here = "There is no GPU: the lessons run on the CPU, with the sample data", "coursekit"
    _ends(small, course, none, f"Installed {here}", CUDA_VISIBLE_DEVICES="")
    again = f"Checked before: {none}", f"{here} is installed already"
    _ends(small, course, *again, CUDA_VISIBLE_DEVICES="")


def test_an_old_torch_is_refused(small, course):
    """A lesson that dies in its tenth cell, for a torch that is old."""
    small.pretend("torch", "2.5.0+cu121")
    _stops(small, course, "needs torch 2.9 and this runtime has 2.5.0+cu121: choose the latest")
    small.environment |= runtimes.KAGGLE
    _stops(small, course, "has 2.5.0+cu121: choose Settings > Environment > latest")


def test_a_changed_package_is_not_forgotten(small, course):
    """The learner runs the cell again, and what pip has replaced is now how it always was."""
    tqdm = small.pretend("tqdm", "4.67.0")
    older = f"sed -i s/4.67.0/4.66.0/ '{tqdm}'"  # and then installs the course
    for environment in ({"PYTHON": _python(small, "'-m pip install'*", older)}, {}):
        _stops(small, course, "tqdm was 4.67.0 and is 4.66.0 now: Runtime > Disc", **environment)
        assert not list(small.packages.glob("coursekit*")), "the cell would take it for success"
        shutil.rmtree(course / "build")  # the cell begins with a new copy of the course
    small.pretend("tqdm", "4.67.0")
    for _ in range(2):
        _ends(small, course)
        small.pretend("tqdm", "4.66.0")  # by the learner, who may


def test_the_first_cell_heals_and_needs_no_restart(small, course, tmp_path):
    """The learner restarts the runtime, runs half of the cells, and nothing fits together."""
    cell, stops = build.set_up(build.ROOT), r"SystemExit.*Do as the line above says"
    notebook = runtimes.Notebook(small)
    address = runtimes.hosted(tmp_path / "nothing")
    with notebook.setup_kernel(env=small.environment | address):
        with pytest.raises(CellExecutionError, match=f"(?s)fatal: .*{stops}"):
            notebook.run(cell)
        (small.home / ".course" / ".git").mkdir(parents=True)  # a clone that was cut
        notebook.run(f"import os; os.environ.update({runtimes.hosted(course)})")
        small.pretend("torch", "2.5.0")
        with pytest.raises(CellExecutionError, match=f"(?s)needs torch 2.9 and.*{stops}"):
            notebook.run(cell)
        small.pretend("torch", "2.14.0")
        printed = notebook.run(cell)
        assert "Installed coursekit" in printed
        assert "colab, CPU" in printed
        assert notebook.run("import coursekit as ck; print(ck.machine())")
        assert "Ready in" not in notebook.run(cell), "the course is there already"


def test_the_first_cell_does_nothing_where_the_course_is(tmp_path):
    """A lesson that fetches and installs things on the learner's own computer."""
    cells = [nbformat.v4.new_code_cell(build.set_up(build.ROOT))]
    build.run(cells, tmp_path, HOME=str(tmp_path), USERPROFILE=str(tmp_path), PATH="")
    assert not (tmp_path / ".course").exists()
    assert "CPU" in cells[0].outputs[0].text or "GPU" in cells[0].outputs[0].text


def test_edited_modules_are_reloaded(tmp_path):
    """What is lent to IPython 7 spoils the autoreload of IPython 9."""
    cells = [nbformat.v4.new_code_cell(source) for source in runtimes.RELOADING]
    build.run(cells, tmp_path)
    assert cells[-1].outputs[0].text == "333\n"


def test_the_release_check_sees_what_did_not_run():
    """The command ends well whatever its cells do, and stored outputs look like a run."""

    def notebook(**output):
        outputs = [nbformat.v4.new_output(**output)] if output else []
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)])

    error = {"output_type": "error", "ename": "NameError", "evalue": "no x", "traceback": []}
    good = notebook(output_type="stream", text="one\n")
    assert release_check.failures(good, [1]) == []
    assert release_check.failures(notebook(**error), [1]) == ["cell 1: NameError: no x"]
    (told,) = release_check.failures(notebook(), [1])
    assert told == "cell 1 shows nothing: the run did not reach it"
