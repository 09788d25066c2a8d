"""A fresh Colab or Kaggle runtime: the set-up and its failures, the first cell, kept work.

Most tests run on a small runtime made of links to the packages that are here. Those on the stand-in
for Colab (its Python and its versions) run under ``make test ONLY=colab``.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

import coursekit
from notebooks.source import build
from tests.system import colab_standin as standin
from tests.system import release_check

ROOT = build.ROOT
NOWHERE = "http://127.0.0.1:9/"  # nothing listens there
COPIED = ("coursekit", "pyproject.toml", "README.md", "setup_colab.py", "setup_colab.sh")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Colab and Kaggle are Linux")


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
import errno, os, pathlib, tempfile
def write(self, *rest, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
pathlib.Path.write_text = write
"""


# The runtimes ---------------------------------------------------------------------------------


class Runtime:
    """A Python that has what Colab has but not the course, with its own home folder."""

    def __init__(self, folder, host=standin.COLAB):
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(parents=True)
        self.python = folder / "python" / "bin" / "python"
        command = [sys.executable, "-m", "venv", "--without-pip", folder / "python"]
        subprocess.run(command, check=True)
        self.packages = next((folder / "python" / "lib").glob("python3*")) / "site-packages"
        for there in Path(sysconfig.get_path("purelib")).iterdir():
            if there.suffix != ".pth" and "coursekit" not in there.name:
                (self.packages / there.name).symlink_to(there)
        self.environment = standin.environment(self.home, host) | {
            "PATH": os.pathsep.join([str(self.python.parent), os.environ["PATH"]]),
            "MPLCONFIGDIR": str(ROOT / "build" / "matplotlib"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": "",
        }

    def set_up(self, course, **environment):
        """Run the script; return (exit code, everything that it printed)."""
        ran = subprocess.run(
            ["bash", course / "setup_colab.sh"],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout

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
        return dist_info


@pytest.fixture
def small(tmp_path):
    """Return a runtime of links to the packages that are here."""
    return Runtime(tmp_path / "runtime")


@pytest.fixture
def course(tmp_path):
    """Return a copy of the course, as git would bring it."""
    ignored = shutil.ignore_patterns("__pycache__")
    (tmp_path / "course").mkdir()
    for name in COPIED:
        there, copy = ROOT / name, tmp_path / "course" / name
        shutil.copytree(there, copy, ignore=ignored) if there.is_dir() else shutil.copy(there, copy)
    return tmp_path / "course"


def _wheel(name, folder):
    """Make a wheel of an installed package of pure Python, for pip to find."""
    packages = Path(sysconfig.get_path("purelib"))
    (dist_info,) = packages.glob(f"{name}-*.dist-info")
    folder.mkdir()
    wheel = folder / f"{dist_info.name.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in [*(packages / name).rglob("*"), *dist_info.rglob("*")]:
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(packages))
    return folder


def _python(runtime, called_with, does):
    """Return a Python of a runtime that does something first when it is called in some way."""
    fake = runtime.folder / "python-in-trouble"
    case = f'case "$*" in {called_with}) {does};; esac'
    return str(_tool(fake, f'{case}\nexec "{runtime.python}" "$@"'))


def _tool(file, does):
    """Write a command; return its file."""
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)
    return file


def _module(folder, name, content):
    """Write a module that stands before the real one; return what the shell must do for it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(content)
    return f'PYTHONPATH="{folder}:$PYTHONPATH"; export PYTHONPATH'


# The script -----------------------------------------------------------------------------------


def _stops(runtime, course, sentence, **environment):
    """Assert that the set-up stops with one sentence at the end, and a remedy in it."""
    code, printed = runtime.set_up(course, **environment)
    assert code == 1, printed
    last = printed.splitlines()[-1]
    assert last.startswith("The set-up stopped. ")
    assert sentence in last, printed
    assert re.search(r": .*again( in it)?\.$", last), "there is a remedy"
    assert "Traceback" not in printed


FULL = "echo \"ERROR: OSError: [Errno 28] No space left on device: '/x'\"; exit 1"
SYSTEM = "echo 'error: externally-managed-environment'; exit 1"
CONFLICT = "echo 'ERROR: ResolutionImpossible: for help visit'; exit 1"
PIP = {"The disk is full": FULL, "the operating system": SYSTEM, "beside what is here": CONFLICT}
VISION = 'raise RuntimeError("operator torchvision::nms does not exist")'


@needs_linux
def test_half_a_clone_or_no_python_is_told(small, course):
    """A traceback about a file that git had not brought yet."""
    _stops(small, course, "There is no Python 3.11 or newer", PYTHON="false")
    for name in ("setup_colab.py", "coursekit/__init__.py", "pyproject.toml"):
        there = (course / name).read_bytes()
        (course / name).write_bytes(b"")
        _stops(small, course, "This copy of the course is not whole: delete the folder")
        (course / name).write_bytes(there)


@needs_linux
def test_elsewhere_nothing_is_installed(small, course):
    """A set-up for Colab that installs things on the learner's own computer."""
    for name in (*standin.COLAB, *standin.KAGGLE):
        small.environment.pop(name, None)
    code, printed = small.set_up(course)
    assert code == 1
    assert "neither Colab nor Kaggle, and nothing was installed" in printed
    assert "make lab" in printed
    assert not list(small.packages.glob("coursekit*"))


@needs_linux
def test_failures_are_one_sentence_and_the_next_run_heals(small, course, tmp_path):
    """A wall of red text, after which the learner reinstalls everything and breaks torch."""
    (tmp_path / "small" / "tmp").mkdir(parents=True)
    small.lose("tqdm")
    _stops(small, course, "index could not be reached for tqdm", PIP_INDEX_URL=NOWHERE)
    for sentence, does in PIP.items():
        _stops(small, course, sentence, PYTHON=_python(small, "'-m pip install'*", does))
    python = _python(
        small, "*setup_colab.py", _module(tmp_path / "x", "sitecustomize", LITTLE_ROOM)
    )
    temporary = {"TMPDIR": str(tmp_path / "small" / "tmp")}
    _stops(small, course, "The disk is full, 1 MB are free", PYTHON=python, **temporary)
    python = _python(small, "*setup_colab.py", _module(tmp_path / "y", "sitecustomize", NO_ROOM))
    _stops(small, course, "The disk is full: delete files that you no longer need", PYTHON=python)
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(_wheel("tqdm", tmp_path / "wheels"))}
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "torch.py").write_text("")
    python = _python(small, "*probe", _module(tmp_path / "bad", "torchvision", VISION))
    _stops(small, course, "(RuntimeError: operator torchvision::nms", PYTHON=python, **wheels)

    # A P100, say, that is there and cannot run what this torch was built to
    python = _python(small, "*probe", _module(tmp_path / "gpu", "sitecustomize", BROKEN_GPU))
    code, printed = small.set_up(course, PYTHON=python)
    assert code == 0, printed
    assert "The GPU cannot be used (CUDA error: no kernel image is available" in printed
    assert "until you choose another GPU: Runtime > Change runtime type" in printed
    assert {"tqdm", "coursekit"} <= {f.name for f in small.packages.iterdir() if not f.is_symlink()}
    (archive, *_) = small.packages.glob("coursekit/data/samples/*.xz")
    archive.write_bytes(archive.read_bytes()[:-1])
    code, printed = small.set_up(course, CUDA_VISIBLE_DEVICES="")
    assert code == 0, printed
    assert "Installed coursekit" in printed, "an archive that was cut"
    assert "There is no GPU: the lessons run on the CPU, with the sample data" in printed
    code, printed = small.set_up(course, CUDA_VISIBLE_DEVICES="")
    assert code == 0, printed
    assert "Checked before: There is no GPU" in printed
    assert "coursekit is installed already" in printed


@needs_linux
def test_an_old_torch_is_refused_and_a_changed_package_is_noticed(small, course):
    """A lesson that dies in its tenth cell, for a torch that is old or that pip has replaced."""
    small.lose("requests")
    tqdm = small.pretend("tqdm", "4.67.0")
    older = f"sed -i s/4.67.0/4.66.0/ '{tqdm}/METADATA'; exit 0"
    python = _python(small, "'-m pip install'*", older)
    _stops(small, course, "tqdm was 4.67.0 and is 4.66.0 now: Runtime > Disc", PYTHON=python)
    small.pretend("tqdm", "4.67.0")
    small.pretend("torch", "2.5.0+cu121")
    _stops(small, course, "needs torch 2.9 and this runtime has 2.5.0+cu121: choose the latest")
    small.environment |= standin.KAGGLE
    _stops(small, course, "has 2.5.0+cu121: choose Settings > Environment > latest")


@needs_linux
def test_a_changed_package_is_not_forgotten(small, course):
    """The learner runs the cell again, and what pip has replaced is now how it always was."""
    tqdm = small.pretend("tqdm", "4.67.0")
    older = f"sed -i s/4.67.0/4.66.0/ '{tqdm}/METADATA'"  # and then installs the course
    trouble = {"PYTHON": _python(small, "'-m pip install'*", older)}
    for environment in (trouble, {}):
        _stops(small, course, "tqdm was 4.67.0 and is 4.66.0 now: Runtime > Disc", **environment)
        assert not list(small.packages.glob("coursekit*")), "the cell would take it for success"
        shutil.rmtree(course / "build")  # the cell begins with a new copy of the course
    small.pretend("tqdm", "4.67.0")
    for _ in range(2):
        code, printed = small.set_up(course)
        assert code == 0, printed
        small.pretend("tqdm", "4.66.0")  # by the learner, who may


# The first cell -------------------------------------------------------------------------------


def _kernel(python, folder):
    """Write a kernel of some Python below ``folder``, which becomes a JUPYTER_PATH."""
    spec = folder / "kernels" / "runtime"
    spec.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Runtime", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content))
    return folder


def _hosted(course, folder):
    """Make a repository of the course; return the variables by which git goes there."""
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "A course"]):
        subprocess.run([*git, *command], cwd=course, check=True)
    subprocess.run(["git", "branch", "-q", "-M", build.address(ROOT)[1]], cwd=course, check=True)
    return _git_goes_to(f"file://{course}")


def _git_goes_to(place):
    address = f"https://github.com/{build.address(ROOT)[0]}"
    key = f"url.{place}.insteadOf"
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": address}


class Notebook:
    """A notebook that is run cell by cell in a kernel that stays."""

    def __init__(self, folder):
        self.notebook = nbformat.v4.new_notebook()
        resources = {"metadata": {"path": str(folder)}}
        self.client = NotebookClient(
            self.notebook,
            kernel_name="runtime",
            timeout=300,
            resources=resources,
            extra_arguments=["--log-level=ERROR"],
        )

    def run(self, source):
        """Run a cell; return what it printed. Raises CellExecutionError."""
        cell = nbformat.v4.new_code_cell(source)
        self.notebook.cells.append(cell)
        self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        return "".join(output.get("text", "") for output in cell.outputs)


@needs_linux
def test_the_first_cell_heals_and_needs_no_restart(small, course, tmp_path, monkeypatch):
    """The learner restarts the runtime, runs half of the cells, and nothing fits together."""
    monkeypatch.setenv("JUPYTER_PATH", str(_kernel(small.python, tmp_path / "jupyter")))
    cell, stops = build.set_up(ROOT), r"SystemExit.*Do as the line above says"
    environment = small.environment | _git_goes_to(f"file://{tmp_path}/nothing")
    notebook = Notebook(small.home)
    with notebook.client.setup_kernel(env=environment):
        with pytest.raises(CellExecutionError, match=f"(?s)fatal: .*{stops}"):
            notebook.run(cell)
        (small.home / ".course" / ".git").mkdir(parents=True)  # a clone that was cut
        there = _hosted(course, tmp_path)
        notebook.run(f"import os; os.environ.update({there})")
        small.pretend("torch", "2.5.0")
        with pytest.raises(
            CellExecutionError, match=f"(?s)The course needs torch 2.9 and.*{stops}"
        ):
            notebook.run(cell)
        small.pretend("torch", "2.14.0")
        printed = notebook.run(cell)
        assert "Installed coursekit" in printed
        assert "colab, CPU" in printed
        assert notebook.run("import coursekit as ck; print(ck.machine())")
        assert "Ready in" not in notebook.run(cell), "the course is there already"


def test_the_first_cell_does_nothing_where_the_course_is(tmp_path):
    """A lesson that fetches and installs things on the learner's own computer."""
    cells = [nbformat.v4.new_code_cell(build.set_up(ROOT))]
    build.run(cells, tmp_path, HOME=str(tmp_path), USERPROFILE=str(tmp_path), PATH="")
    assert not (tmp_path / ".course").exists()
    assert "CPU" in cells[0].outputs[0].text or "GPU" in cells[0].outputs[0].text


def test_the_release_check_sees_what_did_not_run(tmp_path, monkeypatch, capfd):
    """The command ends well whatever its cells do, and stored outputs look like a run."""
    tools = tmp_path / "tools"
    tools.mkdir()
    answer = '[ -e "$5.ran" ] || cp "$5" "$5.ran"; mv "$5.ran" "${5%.ipynb}_output.ipynb"'
    _tool(tools / "colab", f'[ "$1" = exec ] || exit 0\n{answer}')
    monkeypatch.setattr(release_check, "FOLDER", tmp_path / "ran")
    monkeypatch.setattr(
        build,
        "lessons",
        lambda _: [tmp_path / "source" / f"{name}.py" for name in ("01_good", "02_bad", "03_cut")],
    )
    shown = nbformat.v4.new_output("stream", text="one\n")
    error = nbformat.v4.new_output("error", ename="NameError", evalue="no x", traceback=[])
    (tmp_path / "ran").mkdir()

    def write(file, outputs):
        cells = [nbformat.v4.new_code_cell("x", outputs=outputs)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), file)

    for name in ("01_good", "02_bad", "03_cut"):
        write(tmp_path / f"{name}.ipynb", [shown])
    write(tmp_path / "ran" / "01_good.ipynb.ran", [shown])
    write(tmp_path / "ran" / "02_bad.ipynb.ran", [error])
    monkeypatch.setenv("PATH", "")
    assert release_check.main() == 1
    assert "pipx install google-colab-cli" in capfd.readouterr().out
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.defpath}")
    assert release_check.main() == 1
    said = capfd.readouterr().out
    assert "01_good: runs on Colab\n02_bad: cell 1: NameError: no x\n" in said
    assert "03_cut: cell 1 shows nothing: the run did not reach it" in said


# The stand-in ---------------------------------------------------------------------------------

HOSTS = {"colab": standin.COLAB, "kaggle": standin.KAGGLE}
PRINT_VERSIONS = """
import importlib.metadata as m
print(*sorted({f"{d.metadata['Name']}=={d.version}" for d in m.distributions()}))
"""
SMALL_LESSON = """
%load_ext coursekit
import os
import time
import torch
import coursekit as ck
from coursekit.data.batches import Data

class Log(ck.Callback):
    def epoch_start(self, state):
        with open(os.environ["LOG"], "a") as log:
            log.write(f"{time.time()} {len(state.model)} {state.epoch}\\n")
# ---
def batches(count, seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 64, 400, generator=draw)
    return [(part, (part[:, :9].sum(1) > 0).long()) for part in x]

data = Data(batches(120, 1), batches(20, 2))
tables = {}
for layers in (1, 2, 3):
    hidden = [torch.nn.Linear(400, 400) for _ in range(layers)]
    net = torch.nn.Sequential(*hidden, torch.nn.ReLU(), torch.nn.Linear(400, 2))
    learn = ck.Learner(data, net, ck.cross_entropy, metrics=[ck.accuracy], callbacks=[Log()])
    tables[layers] = learn.fit(4, lr=0.001, name=f"{layers} layers")
# ---
for table in tables.values():
    for row in table:
        print({name: value for name, value in row.items() if name != "seconds"})
"""


class Standin(Runtime):
    """The stand-in for Colab, with a home folder of its own."""

    def __init__(self, folder, host):
        self.python, self.home = standin.PYTHON, folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.environment = standin.environment(self.home, host) | {
            "COURSEKIT_DEVICE": "cpu",
            "COURSEKIT_PROGRESS": "off",
            "JUPYTER_PATH": str(standin.kernelspec(folder / "jupyter")),
        }

    def forget_the_course(self):
        """Take the course away, as on a fresh runtime."""
        command = [self.python, "-m", "pip", "uninstall", "-q", "-y", "coursekit"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def versions(self):
        """Return every package with its version, but for the course."""
        command = [self.python, "-c", PRINT_VERSIONS]
        ran = subprocess.run(
            command, env=self.environment, check=True, text=True, stdout=subprocess.PIPE
        )
        return [one for one in ran.stdout.split() if not one.startswith("coursekit==")]

    def run(self, cells, after=None, *, begun=None, do=None, **environment):
        """Run a notebook in a new kernel; return what its last cell printed, None where killed.

        Args:
            after: seconds after which something is done while it runs.
            begun: a file; the seconds are counted from when it appears.
            do: what is done; by default the kernel is killed.
        """
        client = NotebookClient(
            nbformat.v4.new_notebook(cells=cells),
            kernel_name=standin.KERNEL,
            timeout=600,
            resources={"metadata": {"path": str(self.home)}},
            extra_arguments=["--log-level=ERROR"],
        )
        pid = self.home / "pid"
        pid.unlink(missing_ok=True)
        first = (
            "import os\nopen('pid.new', 'w').write(str(os.getpid()))\nos.replace('pid.new', 'pid')"
        )
        cells.insert(0, nbformat.v4.new_code_cell(first))
        over = threading.Event()
        do = do or (lambda: _kill(int(pid.read_text())))
        if after is not None:
            threading.Thread(target=_later, args=(after, [pid, begun or pid], over, do)).start()
        try:
            client.execute(env=self.environment | environment)
        except DeadKernelError:
            return None
        finally:
            over.set()
        return "".join(output.get("text", "") for output in cells[-1].outputs)


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(pid, signal.SIGKILL)


def _later(seconds, files, over, do):
    """Do something some seconds after all files are there, unless it is over by then."""
    while not all(file.exists() for file in files):
        if over.wait(0.05):
            return
    if not over.wait(seconds):
        do()


@pytest.fixture(scope="session")
def _built():
    try:
        standin.build()
    except standin.StandinError as reason:
        if os.environ.get("CI") and standin.python():
            pytest.fail(f"{reason}; a green run would say that the lessons run on Colab")
        pytest.skip(f"{reason}")


@pytest.fixture(scope="session")
def kept_home(tmp_path_factory):
    """Return the folder of a home that all lessons share, so that a sample is built once."""
    return tmp_path_factory.mktemp("standin")


@pytest.fixture(params=HOSTS)
def fresh(request, _built, kept_home, monkeypatch):
    """Return the stand-in without the course, as Colab and as Kaggle."""
    runtime = Standin(kept_home, HOSTS[request.param])
    monkeypatch.setenv("JUPYTER_PATH", runtime.environment["JUPYTER_PATH"])
    runtime.forget_the_course()
    return runtime


@pytest.fixture
def ready(_built, course, tmp_path, monkeypatch):
    """Return the stand-in for Colab with the course in it."""
    runtime = Standin(tmp_path / "standin", standin.COLAB)
    monkeypatch.setenv("JUPYTER_PATH", runtime.environment["JUPYTER_PATH"])
    code, printed = runtime.set_up(course)
    assert code == 0, printed
    return runtime


@pytest.mark.colab
def test_set_up_twice_changes_nothing(fresh, course, say):
    """A course that replaces torch breaks every other notebook, and the learner's patience."""
    before, seconds = fresh.versions(), []
    for _ in range(2):
        code, printed = fresh.set_up(course)
        say(f"the set-up\n{printed}")
        assert code == 0
        assert fresh.versions() == before
        seconds.append(float(re.search(r"Ready in ([\d.]+) s\.", printed)[1]))
    assert "coursekit is installed already" in printed
    say(f"the set-up: first {seconds[0]} s (wanted: at most 20), then {seconds[1]} s (under 5)")
    assert seconds[1] < 5


@pytest.mark.colab
@pytest.mark.parametrize("source", build.lessons(ROOT), ids=lambda file: file.stem)
def test_lessons_run(fresh, source, course, tmp_path, say):
    """What runs in JupyterLab and dies on Colab: another numpy, another IPython, no course."""
    cells = build.read(source)
    first = next(cell for cell in cells if cell.cell_type == "code")
    assert first.source == build.set_up(ROOT), "the first code cell gets the course"
    for cell in cells:
        cell.metadata.pop("tags", None)  # what is stored is the run of the whole lesson
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / build.target(source).name)
    before = fresh.versions()
    quick = {"COURSEKIT_QUICK": "1", "COURSEKIT_CHECKPOINTS": str(tmp_path / "checkpoints")}
    options = f"-x --nbval-lax --nbval-kernel-name={standin.KERNEL} --nbval-cell-timeout=600"
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options.split(), tmp_path],
        env=fresh.environment | quick | _hosted(course, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    say(f"{source.stem}, quick, from a fresh runtime: {time.monotonic() - began:.0f} s")
    assert ran.returncode == 0, ran.stdout
    assert fresh.versions() == before


def _reloading():
    """Return cells that edit a module twice and show what it says then: 333."""
    write = "open('mine.py', 'w').write('x = {x}')"
    sources = [
        "%load_ext coursekit",
        f"{write.format(x=1)}; import mine, time; print(mine.x); time.sleep(1.1)",
        f"{write.format(x=22)}",
        "assert mine.x == 22",
        "%reload_ext autoreload\n%autoreload 2",
        f"time.sleep(1.1); {write.format(x=333)}",
        "print(mine.x)",
    ]
    return [nbformat.v4.new_code_cell(source) for source in sources]


@pytest.mark.colab
def test_explorers_under_the_old_ipywidgets(ready, say):
    """An argument that only ipywidgets 8 knows: an explorer that no Colab can show."""
    ran = subprocess.run(
        [ready.python, "-m", "tests.visuals.explorers"],
        env=ready.environment | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    driven = re.findall(r"^(\w+): \d+ moves under ipywidgets 7\.7\.1$", ran.stdout, re.MULTILINE)
    say(f"under ipywidgets 7.7.1: {', '.join(driven)}")
    assert set(driven) == {name for name in vars(coursekit.explore) if not name.startswith("_")}


@pytest.mark.colab
def test_edited_modules_are_reloaded(ready):
    """IPython 7 on Python 3.13 cannot load autoreload; the learner edits and nothing changes."""
    assert ready.run(_reloading()) == "333\n"


def test_edited_modules_are_reloaded_here(tmp_path):
    """What is lent to IPython 7 spoils the autoreload of IPython 9."""
    cells = _reloading()
    build.run(cells, tmp_path)
    assert cells[-1].outputs[0].text == "333\n"


def _small_lesson():
    return [nbformat.v4.new_code_cell(cell) for cell in SMALL_LESSON.split("# ---")]


@pytest.mark.colab
def test_a_killed_kernel_goes_on(ready, tmp_path, say):
    """The runtime ends in the night; what was trained is trained again, or comes out otherwise."""
    log = tmp_path / "log"

    def run(folder, after=None):
        where = {"LOG": str(log), "COURSEKIT_CHECKPOINTS": str(tmp_path / folder)}
        return ready.run(_small_lesson(), after, begun=log, **where)

    def epochs():
        """Return [(second, which fit and epoch)] of every epoch that was begun."""
        return [line.split(" ", 1) for line in log.read_text().splitlines()]

    uncut = run("uncut")
    seconds = (float(epochs()[-1][0]) - float(epochs()[0][0])) * 12 / 11
    assert uncut.count("valid_loss") == 12
    draw = random.Random(int(os.environ.get("SEED", "0")))
    for number in range(10):
        log.unlink()
        moment = draw.uniform(0, seconds)
        cut = run(str(number), after=moment)
        in_epoch = len(epochs())
        damaged = number % 2 and _truncate_newest(tmp_path / str(number))
        assert run(str(number)) == uncut
        trained = [which for _, which in epochs()]
        again = len(trained) - len(set(trained))
        say(
            f"killed after {moment:.1f} of {seconds:.1f} s, in epoch {in_epoch} of 12"
            f"{', newest checkpoint cut short' if damaged else ''}: {again} trained again"
        )
        assert again <= (2 if damaged else 1)
        assert len(set(trained)) == 12
        assert cut in (None, uncut)


def _truncate_newest(folder):
    files = sorted(folder.rglob("*.safetensors"), key=lambda file: file.stat().st_mtime)
    for file in files[-1:]:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return files[-1] if files else None


NOTE_EPOCHS = """
import os
import time
import coursekit as ck

class Noted(ck.Callback):
    def __init__(self, name):
        self.name = name.replace(" ", "-")

    def epoch_start(self, state):
        self._note(os.environ["LOG"], state.epoch)

    def epoch_done(self, state):
        self._note(os.environ["LOG"] + "-done", state.epoch - 1)

    def _note(self, file, epoch):
        with open(file, "a") as log:
            log.write(f"{time.time()} {self.name} {epoch}\\n")

def fit(self, *rest, name=None, callbacks=(), run=ck.Learner.fit, **options):
    noted = [Noted(name)] if name else []
    return run(self, *rest, name=name, callbacks=[*callbacks, *noted], **options)

ck.Learner.fit = fit
"""
SHOW_TABLES = """
show = lambda learn: [{k: v for k, v in r.items() if k != "seconds"} for r in learn.history]
print(show(learn), learn.evaluate(), show(my_learn))
"""


class Lesson1:
    """Lesson 1 in the quick profile; its checkpoints lie behind a link, as they do in Drive."""

    def __init__(self, ready, folder):
        self.ready, self.log = ready, folder / "log"
        self.drive, self.link = folder / "drive", folder / "link"
        self.drive.mkdir(parents=True)
        self.link.symlink_to(self.drive)

    def run(self, after=None, do=None):
        """Run it from the top in a new kernel; return its last tables, None where killed."""
        lesson = [cell for cell in build.read(build.lessons(ROOT)[0]) if cell.cell_type == "code"]
        first, last = (nbformat.v4.new_code_cell(source) for source in (NOTE_EPOCHS, SHOW_TABLES))
        where = {"COURSEKIT_CHECKPOINTS": str(self.link), "LOG": str(self.log)}
        cells = [first, *lesson, last]
        return self.ready.run(cells, after, begun=self.log, do=do, COURSEKIT_QUICK="1", **where)

    def trained(self):
        """Return [(second, which epoch of which fit)] of every epoch that was begun."""
        return [line.split(" ", 1) for line in self.log.read_text().splitlines()]

    def longest(self):
        """Return which epoch took longest, in a run that came to its end."""
        done = self.log.with_name(f"{self.log.name}-done").read_text().splitlines()
        ends = {which: float(second) for second, which in (line.split(" ", 1) for line in done)}
        return max(self.trained(), key=lambda begun: ends[begun[1]] - float(begun[0]))[1]

    def run_into(self, epoch):
        """Run it and kill it where it has just begun this epoch."""

        def kill():
            for _ in range(6000):
                if self.trained()[-1][1] == epoch:
                    return _kill(int((self.ready.home / "pid").read_text()))
                time.sleep(0.05)

        return self.run(0, do=kill)

    def again(self):
        """Return how many epochs were trained more than once."""
        epochs = [which for _, which in self.trained()]
        return len(epochs) - len(set(epochs))


@pytest.mark.colab
def test_lesson_1_killed_goes_on(ready, tmp_path, say):
    """Resuming that works for a toy and not for a lesson, with its recipe and stored features."""
    Lesson1(ready, tmp_path / "first").run()  # builds the sample
    lesson = Lesson1(ready, tmp_path / "uncut")
    uncut = lesson.run()
    seconds, longest = time.time() - float(lesson.trained()[0][0]), lesson.longest()
    epochs = {which for _, which in lesson.trained()}
    assert len(epochs) > 5
    assert lesson.again() == 0
    draw, again = random.Random(int(os.environ.get("SEED", "0"))), []
    for number in range(1 + int(os.environ.get("KILLS", "10"))):
        lesson = Lesson1(ready, tmp_path / str(number))
        if number == 0:  # the random moments may all fall between two epochs
            assert lesson.run_into(longest) is None
            moment = float(lesson.trained()[-1][0]) - float(lesson.trained()[0][0])
        else:
            moment = draw.uniform(0, seconds)
        while number and lesson.run(moment) is not None:  # this time it was quicker
            lesson = Lesson1(ready, tmp_path / f"{number}, {moment:.1f} s")
            moment *= 0.7
        damaged = number % 2 and _truncate_newest(lesson.drive)
        assert lesson.run() == uncut
        assert {which for _, which in lesson.trained()} == epochs
        say(
            f"lesson 1 killed after {moment:.1f} of {seconds:.1f} s"
            f"{', newest checkpoint cut short' if damaged else ''}: the same tables, "
            f"{lesson.again()} of {len(epochs)} epochs trained again"
        )
        again.append(lesson.again())
        assert again[-1] <= (2 if damaged else 1)
    assert sum(again) > 0, "no epoch was cut"


@pytest.mark.colab
def test_lesson_1_goes_on_without_drive(ready, tmp_path, say):
    """Drive vanishes in the middle: the lesson dies, or what was kept before is lost, too."""
    uncut = Lesson1(ready, tmp_path / "first").run()
    lesson = Lesson1(ready, tmp_path / "drive vanishes")
    away = lesson.drive.with_name("away")

    begun = []

    def vanish():
        for _ in range(6000):
            begun[:] = [which for _, which in lesson.trained()]
            if len(begun) >= 6:
                return lesson.drive.rename(away)
            time.sleep(0.05)

    assert lesson.run(0, do=vanish) == uncut
    assert not lesson.drive.exists(), "written to where Drive has to come back"
    away.rename(lesson.drive)
    finished = {which.split()[0] for which in begun} - {begun[-1].split()[0]}
    before = len(lesson.trained())
    assert lesson.run() == uncut
    again = [which for _, which in lesson.trained()[before:]]
    say(f"Drive vanished in lesson 1 after {len(finished)} fits: the same tables")
    assert len(finished) > 1
    assert not [which for which in again if which.split()[0] in finished]
    assert len(set(begun[:-1]) & set(again)) <= 1, "of the fit in progress only its last epoch"
