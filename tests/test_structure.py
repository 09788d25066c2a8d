"""The house as a whole: who may import whom, what is never used, what must agree with what."""

import ast
import functools
import graphlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import budgets

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
# A module, or a room (every module in it) -> the modules and rooms that it may import: the top is
# below the data, these below models, these below learners; a figure reads what it shows.
TOP = ("console", "arguments", "runtime")
ARROWS = {
    "console": (),
    "arguments": ("console",),
    "runtime": ("console", "arguments"),
    "__main__": ("doctor",),
    "doctor": (*TOP, "data.cache"),
    "drive": TOP,
    "data": (*TOP, "data"),
    "models": (*TOP, "data", "models"),
    "learners": (*TOP, "data", "models", "learners"),
    "visuals": (*TOP, "data.cache", "data.picture", "visuals"),
    "exercises": (*TOP, "data.cache", "exercises", "visuals.style"),
}
# An __init__.py. "" and the list of the explorers import what they name; the others are empty.
PACKAGES = {"", "data", "exercises", "learners", "models", "visuals"}
HEAVY = {"torchvision", "pandas", "matplotlib", "requests", "sklearn", "scipy", "ipywidgets"}


def _modules():
    """Return {name without "coursekit.": file} of every module of the package."""
    names = {}
    for file in sorted((ROOT / "coursekit").rglob("*.py")):
        parts = file.relative_to(ROOT / "coursekit").with_suffix("").parts
        names[".".join(part for part in parts if part != "__init__")] = file
    return names


MODULES = _modules()


def _room(name):
    """Return the longest entry of ARROWS that holds a module, or None."""
    entries = [room for room in ARROWS if f"{name}.".startswith(f"{room}.")]
    return max(entries, key=len, default=None)


@functools.cache
def _imports(file):
    """Return what a file imports, anywhere in it, as dotted names."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("coursekit.")
                names.add(f"coursekit.{inner}" if inner in MODULES else node.module)
    return names


def _own_imports(name):
    """Return the modules of the package that a module imports, without "coursekit."."""
    own = (imported for imported in _imports(MODULES[name]) if imported.startswith("coursekit"))
    return {imported.removeprefix("coursekit").lstrip(".") for imported in own}


@pytest.mark.parametrize("name", sorted(set(MODULES) - PACKAGES))
def test_imports_run_one_way(name):
    """A learner that imports a drawing cannot be read, tested or replaced without it."""
    room = _room(name)
    assert room is not None, f"{name} has no place in ARROWS; think where it belongs"
    wrong = [
        target
        for target in sorted(_own_imports(name))
        if not any(f"{target}.".startswith(f"{allowed}.") for allowed in ARROWS[room])
    ]
    assert not wrong, f"{name} may import {ARROWS[room]}, not {wrong}"


def test_no_imports_in_a_circle():
    """Two modules that need each other: neither can be read first."""
    graph = {name: _own_imports(name) & set(MODULES) for name in set(MODULES) - PACKAGES}
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that names them


def test_every_arrow_belongs_to_something():
    """A table that speaks of modules long gone hides where the present ones belong."""
    gone = [room for room in ARROWS if not any(f"{m}.".startswith(f"{room}.") for m in MODULES)]
    assert not gone


def test_rooms_are_empty_at_their_door():
    """Code in a room's __init__ runs whenever anything in the room is imported."""
    for name in PACKAGES & set(MODULES) - {""}:
        assert not _imports(MODULES[name]), f"{name}/__init__.py imports something"


def test_the_package_needs_nothing_beside_it():
    """An installed package that looks for the lessons, the worlds or the tests of a checkout."""
    for name, file in MODULES.items():
        outer = {imported.split(".")[0] for imported in _imports(file)}
        assert not outer & {"notebooks", "worlds", "tests"}, f"{name} imports what is not installed"
        assert "matplotlib" not in outer or name.startswith("visuals"), f"{name} draws"


def test_no_array_is_a_pickle():
    """A pickle runs whatever its author liked; other doors to it are shut by ruff (S, TID251)."""
    text = "".join(file.read_text("utf-8") for file in MODULES.values())
    assert not re.findall(r"allow_pickle=(?!False)\w+", text)


def test_import_is_light():
    """Half a second of pandas for a lesson that never opens a table."""
    code = "import sys, coursekit; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(ran.stdout.split())


def test_each_room_keeps_to_its_budget(say):
    """A thin package that grows by a helper a week, and is thin no more."""
    say("\n" + budgets.table())
    assert sum(budgets.BUDGET.values()) <= 9_000
    limits = budgets.BUDGET | {"tests": budgets.TESTS} | budgets.CEILING
    over = {room: count for room, count in budgets.rooms().items() if count > limits[room]}
    assert not over, f"more lines than the budget in tests/budgets.py: {over}"


def _requirements(lines):
    found = (re.fullmatch(r"([\w-]+)(?:>=([\d.]+))?", line.split("#")[0].strip()) for line in lines)
    return {match[1]: match[2] for match in found}


def test_conda_installs_what_pip_installs():
    """A package added to one list only: the lesson dies for half of the learners."""
    conda_names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    extras = PROJECT["project"]["optional-dependencies"]
    pip = _requirements(PROJECT["project"]["dependencies"] + extras["lab"])
    wanted = {conda_names.get(name, name): bound for name, bound in pip.items()}
    wanted |= {"python": PROJECT["project"]["requires-python"].removeprefix(">="), "pip": None}
    text = (ROOT / "environment.yml").read_text("utf-8")
    channels, dependencies = text.split("channels:")[1].split("dependencies:")
    assert re.findall(r"- (\S+)", channels) == ["conda-forge", "nodefaults"]
    lines = re.findall(r"^ +- (.*)$", dependencies, re.MULTILINE)
    assert _requirements(lines) == wanted
    for line in lines:
        assert re.search(r"# (every lesson|lessons? \d)", line), f"which lesson needs {line!r}?"


def test_the_readme_points_at_what_is_there():
    """The first click of a learner is a page that does not exist."""
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)\)", README)
    assert len(links) > 5
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
    lessons = {file.stem for file in (ROOT / "notebooks" / "source").glob("[0-9][0-9]_*.py")}
    assert lessons == set(re.findall(r"badges:(\w+)", README))


def _targets():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    assert phony == set(re.findall(r"^([a-z-]+):.*## \w", makefile, re.MULTILINE))
    return phony


def test_the_readme_names_commands_that_exist():
    """`make notebook` where the target is called `notebooks`."""
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"lab", "test", "help"} <= named <= _targets()


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make on this machine")


@needs_make
def test_make_help_lists_every_target():
    """A target that nobody finds is not there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(["make"], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert {line.split()[0] for line in shown.stdout.splitlines()[1:]} == _targets()


@needs_make
def test_a_set_up_that_was_cut_off_is_not_ready(tmp_path):
    """Success that is none: without network nothing is installed, and the next make believes it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh", "uname", "rm", "touch", "sed", "mkdir", "cp"):
        (tools / tool).symlink_to(shutil.which(tool))
    script = tools / "python3"  # makes an environment, in which pip fails
    script.write_text(
        '#!/bin/sh\n[ "$2" != pip ] || exit 1\n'
        '[ "$2" != venv ] || { mkdir -p .venv/bin; cp "$0" .venv/bin/python; }\n'
    )
    script.chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    ran = subprocess.run(
        [tools / "make", ".venv/.ready"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "The set-up is not finished" in ran.stderr
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_no_path_of_one_machine():
    """A path that exists on one computer only, in a file that everybody gets."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout, so there is no list of the course's own files")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    own = re.compile(rb"/(?:work|root)/|/home/[a-z]|/Users/[A-Z]|[A-Z]:\\\\?Users")
    for name in tracked.stdout.decode().rstrip("\0").split("\0"):
        file = ROOT / name
        if file.is_file() and file.suffix not in (".safetensors", ".png", ".jpg"):
            assert not (found := own.search(file.read_bytes())), f"{name}: {found[0]}"


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_code_is_tidy_and_well_typed(command):
    """Untidy code, or an annotation that is not so, found a month later in another's change."""
    command = [sys.executable, "-m", *command.split()]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
