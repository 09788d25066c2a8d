"""Runtimes as a learner finds them on Colab and Kaggle: Pythons without the course.

``Runtime`` is made of links to the packages that are here, in a second. ``Standin`` has Colab's
Python and versions; ``python -m tests.system.runtimes`` builds it, once, in
``build/colab-standin`` (about 6 GB).
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from notebooks.source import build

FOLDER = build.ROOT / "build" / "colab-standin"
VERSIONS = Path(__file__).with_name("colab_versions.txt")
COLAB = {"COLAB_RELEASE_TAG": "release-colab_20260819", "COLAB_GPU": "1"}
KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}
OWN = ("COURSEKIT_", "COLAB_", "KAGGLE_", "PYTHON", "JUPYTER", "IPYTHON", "VIRTUAL_ENV", "MPL")
LIST = """
import importlib.metadata as m
print(*sorted({f"{d.metadata['Name']}=={d.version}" for d in m.distributions()}))
"""


RELOADING = [  # cells that edit a module twice; the last one prints 333
    """%load_ext coursekit
import os

def write(x):  # each time as if it were written later
    with open("mine.py", "w") as file:
        file.write(f"x = {x}")
    os.utime("mine.py", (1e9 + x, 1e9 + x))""",
    "write(1); import mine; print(mine.x)",
    "write(22)",
    "assert mine.x == 22",
    "%reload_ext autoreload\n%autoreload 2",
    "write(333)",
    "print(mine.x)",
]


class StandinError(Exception):
    """The stand-in cannot be built on this machine: one sentence."""


def ran(*command, **options):
    """Run a command; return (exit code, everything that it printed)."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "check": False}
    done = subprocess.run([str(part) for part in command], **both, **options)
    return done.returncode, done.stdout


def copied(folder, *ignored):
    """Copy the course as git would bring it, but for files of some patterns; return the folder."""
    course = folder / "course"
    ignored = shutil.ignore_patterns("__pycache__", *ignored)
    shutil.copytree(build.ROOT / "coursekit", course / "coursekit", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "setup_colab.py", "setup_colab.sh"):
        shutil.copy(build.ROOT / name, course)
    return course


def hosted(course):
    """Make a repository of a course; return the variables by which git finds it on GitHub."""
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    repository, branch = build.address(build.ROOT)
    if course.is_dir() and not (course / ".git").exists():
        for command in ("init -q", "add .", "commit -q -m Course", f"branch -q -M {branch}"):
            code, printed = ran(*git, *command.split(), cwd=course)
            assert code == 0, printed
    key, address = f"url.file://{course}.insteadOf", f"https://github.com/{repository}"
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": address}


class Notebook(NotebookClient):
    """A new notebook in a kernel of some runtime, run as a whole or cell by cell."""

    def __init__(self, runtime, cells=()):
        cells = [nbformat.v4.new_code_cell(c) if isinstance(c, str) else c for c in cells]
        super().__init__(
            nbformat.v4.new_notebook(cells=cells),
            kernel_name="runtime",
            timeout=1200,
            resources={"metadata": {"path": str(runtime.home)}},
            extra_arguments=["--log-level=ERROR"],
        )
        self.create_kernel_manager().kernel_spec_manager.kernel_dirs.insert(
            0, str(runtime.folder / "kernels")
        )

    def run(self, source):
        """Run one more cell; return what it printed. Raises CellExecutionError."""
        self.nb.cells.append(nbformat.v4.new_code_cell(source))
        self.execute_cell(self.nb.cells[-1], len(self.nb.cells) - 1)
        return self.printed()

    def printed(self):
        """Return what the last cell printed."""
        return "".join(output.get("text", "") for output in self.nb.cells[-1].outputs)


class Runtime:
    """A Python that has what Colab has but not the course, with its own home folder."""

    def __init__(self, folder, host=COLAB):
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.python = self._python()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        path = os.pathsep.join([str(self.python.parent), kept.get("PATH", "")])
        self.environment = {**kept, **host, "HOME": str(self.home), "PATH": path}
        self.environment |= {
            "COURSEKIT_DEVICE": "cpu",
            "COURSEKIT_PROGRESS": "off",
            "MPLCONFIGDIR": str(build.ROOT / "build" / "matplotlib"),
            "OMP_NUM_THREADS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # an old debugger and a new Python
        }
        spec = folder / "kernels" / "runtime"
        spec.mkdir(parents=True, exist_ok=True)
        argv = [str(self.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        content = {"argv": argv, "display_name": "Runtime", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(content))

    def _python(self):
        """Make an environment of links; return its Python."""
        ran(sys.executable, "-m", "venv", "--without-pip", self.folder / "python")
        self.packages = next((self.folder / "python" / "lib").glob("python3*")) / "site-packages"
        for there in Path(sysconfig.get_path("purelib")).iterdir():
            if there.suffix != ".pth" and "coursekit" not in there.name:
                (self.packages / there.name).symlink_to(there)
        return self.folder / "python" / "bin" / "python"

    def set_up(self, course, **environment):
        """Run the script; return (exit code, everything that it printed)."""
        return ran("bash", course / "setup_colab.sh", env=self.environment | environment)

    def lose(self, name):
        """Take a package away."""
        for link in self.packages.glob(f"{name}*"):
            link.unlink()

    def pretend(self, name, version):
        """Let a package say that it has another version; return where it says so."""
        (dist_info,) = self.packages.glob(f"{name}-*.dist-info")
        if dist_info.is_symlink():
            dist_info.unlink()
        dist_info.mkdir(exist_ok=True)
        (dist_info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
        return dist_info / "METADATA"

    def versions(self):
        """Return every package with its version, but for the course."""
        code, printed = ran(self.python, "-c", LIST, env=self.environment)
        assert code == 0, printed
        return [one for one in printed.split() if not one.startswith("coursekit==")]

    def run(self, cells, **environment):
        """Run cells in a new kernel; return what the last one printed, None where it was killed."""
        notebook = Notebook(self, cells)
        try:
            notebook.execute(env=self.environment | environment)
        except DeadKernelError:
            return None
        return notebook.printed()


class Standin(Runtime):
    """The stand-in for Colab, whose packages are shared by all that use it."""

    def _python(self):
        _build()
        return FOLDER / "bin" / "python"

    def forget_the_course(self):
        """Take the course away, as on a fresh runtime."""
        ran(self.python, "-m", "pip", "uninstall", "-q", "-y", "coursekit", env=self.environment)


@functools.cache
def python():
    """Return the path of a Python 3.13, else 3.12, that can make environments; None without."""
    for name in ("python3.13", "python3.12"):
        found = [shutil.which(name), *sorted(Path.home().glob(f".pyenv/versions/3.*/bin/{name}"))]
        for candidate in filter(None, found):
            code, printed = ran(candidate, "-c", "import ensurepip, sys; print(sys.executable)")
            if code == 0:
                return printed.strip()
    return None


def _build():
    """Build the stand-in where it is not there yet, or is of other versions.

    Raises:
        StandinError: there is no such Python, no package index, or no room.
    """
    if python() is None:
        raise StandinError("there is no Python 3.13 or 3.12 to stand for Colab's")
    wanted = hashlib.sha256((python() + VERSIONS.read_text("utf-8")).encode()).hexdigest()
    mark = FOLDER / "built-from"
    if mark.is_file() and mark.read_text() == wanted:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.parent.mkdir(exist_ok=True)
    if shutil.disk_usage(FOLDER.parent).free < 10e9:
        raise StandinError("the stand-in for Colab needs 10 GB of disk while it is built")
    pip = [FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    for command in (
        [python(), "-m", "venv", FOLDER],
        [*pip, "--constraint", VERSIONS, "torch", "torchvision"],  # with CUDA's libraries
        [*pip, "--no-deps", "--requirement", VERSIONS],
    ):
        code, printed = ran(*command)
        if code:
            last = (printed.strip().splitlines() or ["no reason given"])[-1]
            raise StandinError(f"the stand-in for Colab cannot be built ({last})")
    mark.write_text(wanted)


if __name__ == "__main__":
    try:
        _build()
    except StandinError as reason:
        sys.exit(f"Skipped: {reason}.")
    print(f"The stand-in for Colab is ready: {FOLDER.relative_to(build.ROOT)}.")
