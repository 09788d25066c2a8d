"""Tests of what the course finds out about the machine that it runs on."""

import random
import sys
from types import SimpleNamespace

import numpy
import pytest
import torch

from coursekit import runtime
from coursekit.console import CourseError


@pytest.fixture(autouse=True)
def _forget_probes():
    """Try each device anew in every test."""
    runtime.probe.cache_clear()
    yield
    runtime.probe.cache_clear()


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that torch sees a GPU; the product on it is right until told otherwise."""
    card = SimpleNamespace(answer=512.0, capability=(8, 0), asked=[])

    class Ones:
        def __matmul__(self, _):
            return self

        def sum(self):
            return self

        def item(self):
            if isinstance(card.answer, Exception):
                raise card.answer
            return card.answer

    really = torch.ones

    def ones(*shape, device="cpu"):
        card.asked.append(str(device))
        return Ones() if str(device).startswith("cuda") else really(*shape, device=device)

    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: card.capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "Tesla T4")
    return card


@pytest.fixture
def no_gpu(monkeypatch):
    """Pretend that there is neither CUDA nor MPS."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


# Device ----------------------------------------------------------------------------------------


def test_a_gpu_that_computes_is_taken(gpu):
    """The lesson would crawl on the CPU beside an idle GPU."""
    assert runtime.device() == torch.device("cuda")
    runtime.device()
    assert gpu.asked == ["cuda"], "the probe runs once"


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("CUDA error: no kernel image is available.\nFor debugging pass ..."),
        AssertionError(),
        511.0,
        float("nan"),
    ],
)
def test_a_gpu_that_cannot_compute_is_not_taken(gpu, answer, monkeypatch):
    """is_available() is True on a GPU that the installed build cannot run on."""
    gpu.answer = answer
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.device() == torch.device("cpu")
    assert runtime.probe("cuda")
    assert "\n" not in runtime.probe("cuda")
    monkeypatch.setenv("COURSEKIT_DEVICE", "cuda")
    with pytest.raises(CourseError, match=r"cuda.* cannot be used here"):
        runtime.device()


@pytest.mark.parametrize("asked", ["cpu", "CPU ", "cuda:1"])
def test_a_device_by_name(gpu, asked, monkeypatch):
    """COURSEKIT_DEVICE would be overruled by the GPU, or the second of two could not be named."""
    monkeypatch.setenv("COURSEKIT_DEVICE", asked)
    assert runtime.device() == torch.device(asked.strip().lower())


@pytest.mark.parametrize("asked", ["cuda", "mps", "cuda:0", "cuda:x", "mps:7"])
def test_a_device_that_there_is_not(no_gpu, asked, monkeypatch):
    """AssertionError: Torch not compiled with CUDA enabled."""
    if torch.cuda.device_count():
        pytest.skip("there is a GPU")
    monkeypatch.setenv("COURSEKIT_DEVICE", asked)
    with pytest.raises(CourseError, match=rf"{asked}.* cannot be used here"):
        runtime.device()


# Precision -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "dtype", "scaled"),
    [
        ((7, 5), torch.float16, True),
        ((6, 0), torch.float16, True),
        ((8, 0), torch.bfloat16, False),
        ((9, 0), torch.bfloat16, False),
    ],
)
def test_precision_by_compute_capability(gpu, capability, dtype, scaled):
    """A T4 would emulate bfloat16 slowly, or an A100 scale gradients for nothing."""
    gpu.capability = capability
    found = runtime.precision()
    assert (found.dtype, found.scaled) == (dtype, scaled)
    assert f"{capability[0]}.{capability[1]}" in found.reason
    assert str(dtype).removeprefix("torch.") in found.reason


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_precision_elsewhere(kind):
    """Half precision on a CPU would be slower and less exact."""
    found = runtime.precision(kind)
    assert (found.dtype, found.scaled) == (torch.float32, False)
    assert kind in found.reason


def test_the_line_about_the_machine(gpu, monkeypatch):
    """The line would lack the GPU's name, or what a bug report needs."""
    gpu.capability = (7, 5)
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    line = runtime.machine()
    for word in ("colab", "Tesla T4", "float16", "CPU cores", f"torch {torch.__version__}"):
        assert word in line
    assert "\n" not in line
    monkeypatch.setenv("COURSEKIT_DEVICE", "cpu")
    assert "CPU, float32" in runtime.machine()


# Place, folders, edition -----------------------------------------------------------------------

SERVICES = ("COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION", "KAGGLE_KERNEL_RUN_TYPE")


@pytest.mark.parametrize(
    ("variable", "host"),
    [
        ("COLAB_RELEASE_TAG", "colab"),
        ("COLAB_BACKEND_VERSION", "colab"),
        ("KAGGLE_KERNEL_RUN_TYPE", "kaggle"),
        (None, "terminal"),
    ],
)
def test_the_host(variable, host, monkeypatch):
    """A folder called /content, or google.colab being installed, would look like Colab."""
    for name in SERVICES:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "Interactive")
    assert runtime.host() == host


def test_jupyter_is_told_by_its_kernel(monkeypatch):
    """IPython in a terminal would count as a notebook."""
    for name in SERVICES:
        monkeypatch.delenv(name, raising=False)
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    assert runtime.host() == "jupyter"
    monkeypatch.setattr(IPython, "get_ipython", SimpleNamespace)
    assert runtime.host() == "terminal"
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert runtime.host() == "terminal"


def test_folders(tmp_path, monkeypatch):
    """Downloads would go to the home folder although another was named."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    monkeypatch.delenv("COURSEKIT_CHECKPOINTS")
    assert runtime.home() == tmp_path
    assert runtime.checkpoints() == tmp_path / "checkpoints"
    monkeypatch.setenv("COURSEKIT_CHECKPOINTS", "~/kept")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert runtime.checkpoints() == tmp_path / "me" / "kept"
    monkeypatch.setenv("COURSEKIT_HOME", "")
    assert runtime.home() == tmp_path / "me" / ".coursekit"


FOLDER = "Set it to the whole path"  # a relative one is another folder for each notebook


@pytest.mark.parametrize(
    ("variable", "word", "read", "words"),
    [
        ("COURSEKIT_DATA", "smaple", runtime.edition, "choose one of"),
        ("COURSEKIT_DEVICE", "gpu", runtime.device, "choose one of"),
        ("COURSEKIT_DEVICE", "cpu0", runtime.device, "choose one of"),
        ("COURSEKIT_QUICK", "maybe", runtime.quick, "choose one of"),
        ("COURSEKIT_WIDGETS", "maybe", runtime.widgets, "choose one of"),
        ("COURSEKIT_HOME", "~nosuchuser/x", runtime.home, FOLDER),
        ("COURSEKIT_HOME", "./data", runtime.home, FOLDER),
        ("COURSEKIT_CHECKPOINTS", "~nosuchuser/x", runtime.checkpoints, FOLDER),
        ("COURSEKIT_CHECKPOINTS", "data", runtime.checkpoints, FOLDER),
    ],
)
def test_a_setting_that_there_is_not(variable, word, read, words, monkeypatch):
    """COURSEKIT_DATA=smaple would download the full edition; trainings would seem lost."""
    monkeypatch.setenv(variable, word)
    with pytest.raises(CourseError, match=rf"{variable} .*'{word}'.* {words}"):
        read()


def test_the_edition_follows_the_device(gpu, monkeypatch):
    """A laptop would begin with a download of 800 MB."""
    assert runtime.edition() == ("full", False)
    monkeypatch.setenv("COURSEKIT_DEVICE", "cpu")
    assert runtime.edition() == ("sample", False)
    for asked in ("auto", "full", "sample", "FULL "):
        monkeypatch.setenv("COURSEKIT_DATA", asked)
        name = asked.strip().lower()
        assert runtime.edition() == (("sample", False) if name == "auto" else (name, True))


def test_values_by_edition(tmp_path, monkeypatch):
    """The lesson would take 224 pixels for the small drawings, or the bundled net for photos."""
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    sample, full = tmp_path / "sample" / "dogscats", tmp_path / "full" / "dogscats"
    for path in (sample, sample / "train", str(sample)):
        assert runtime.by_edition(path, full=224, sample=96, quick=64) == 96
    for path in (full, str(full), "my/own/sample/pictures"):
        assert runtime.by_edition(path, full=224, sample=96, quick=64) == 224
    monkeypatch.setenv("COURSEKIT_QUICK", "1")
    assert runtime.by_edition(full, full=224, sample=96, quick=64) == 64
    assert runtime.by_edition(full, full=224, sample=96) == 224
    with pytest.raises(CourseError, match="path=None"):
        runtime.by_edition(None, full=1, sample=2)


# Random numbers --------------------------------------------------------------------------------


def draw():
    return random.random(), numpy.random.rand(), torch.rand(1).item(), random.gauss(0, 1)


@pytest.mark.parametrize("number", [7, 0, -1, 2**40, numpy.int64(3)])
def test_a_seed_repeats_all_three_generators(number):
    """A generator that is left out; NumPy takes 32 bits and no sign, torch 64 bits."""
    runtime.seed(number)
    first = draw()
    runtime.seed(number)
    assert draw() == first
    runtime.seed(8)
    assert all(one != other for one, other in zip(draw(), first, strict=True))


@pytest.mark.parametrize("number", [None, "42", 4.2])
def test_what_is_no_seed(number):
    """TypeErrors of three libraries, or a text that seeds one of them only."""
    with pytest.raises(CourseError, match="number="):
        runtime.seed(number)


def test_the_state_goes_there_and_back():
    """find_lr would change what follows; a resumed fit would draw other numbers."""
    runtime.seed(3)
    random.gauss(0, 1), numpy.random.randn()  # both keep a second number for later
    state = runtime.random_state()
    first = (draw(), numpy.random.randn())
    torch.rand(100)
    runtime.set_random_state(state)
    assert (draw(), numpy.random.randn()) == first
