"""Where am I: device, precision, notebook service, profile, folders and seed."""

from __future__ import annotations

import functools
import importlib.util
import os
import random
import sys
import tempfile
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy
import torch

from coursekit.arguments import checked
from coursekit.console import CourseError, choose, reason, setting, switch

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Value = TypeVar("Value")


@functools.cache
def probe(kind: str) -> str | None:
    """Try a real matrix product on "cuda", "mps" or "cpu"; why it failed, or None where it works.

    ``torch.cuda.is_available()`` may be True on a GPU that the installed build cannot run on.
    """
    backend = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(kind)
    if backend and not backend.is_available():
        return "there is none that this torch can use"
    try:
        ones = torch.ones(8, 8, device=kind)
        return None if (ones @ ones).sum().item() == 512 else "it computes wrong results"
    except Exception as error:  # drivers raise every kind of exception
        return reason(error)


def device() -> torch.device:
    """The device that the course computes on: CUDA, then MPS, then the CPU.

    ``COURSEKIT_DEVICE=cpu`` (or cuda, mps) decides by name.

    Raises:
        CourseError: the device asked for by name cannot be used.
    """
    asked = os.environ.get("COURSEKIT_DEVICE", "").strip().lower()
    if not asked:
        kind = next((kind for kind in ("cuda", "mps") if probe(kind) is None), "cpu")
        return torch.device(kind)
    choose("COURSEKIT_DEVICE", asked.split(":")[0], ("cpu", "cuda", "mps"))
    if why_not := probe(asked):
        raise CourseError(
            f"COURSEKIT_DEVICE asks for {asked}, which cannot be used here ({why_not}). "
            "Unset it, or set it to cpu."
        )
    return torch.device(asked)


class Precision(NamedTuple):
    """The number format of the forward pass: ``dtype``, whether gradients are scaled, and why."""

    dtype: torch.dtype
    scaled: bool
    reason: str


def precision(where: str | torch.device | None = None) -> Precision:
    """Pick the ``Precision`` for a device (default: ``device()``).

    bfloat16 from compute capability 8.0, float16 with scaled gradients below it, float32 elsewhere.
    """
    chosen = torch.device(where) if where is not None else device()
    if chosen.type != "cuda":
        return Precision(torch.float32, False, f"float32: {chosen.type} computes in full precision")
    major, minor = torch.cuda.get_device_capability(chosen)
    card = f"compute capability {major}.{minor}"
    if major >= 8:
        return Precision(torch.bfloat16, False, f"bfloat16: {card} has it in hardware")
    return Precision(torch.float16, True, f"float16 with scaled gradients: {card} has no bfloat16")


def host() -> str:
    """Where the code runs: "colab", "kaggle", "jupyter" or "terminal"."""
    if os.environ.get("COLAB_RELEASE_TAG") or os.environ.get("COLAB_BACKEND_VERSION"):
        return "colab"
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE"):
        return "kaggle"
    try:
        from IPython import get_ipython
    except ImportError:
        return "terminal"
    return "jupyter" if hasattr(get_ipython(), "kernel") else "terminal"


def machine() -> str:
    """One line about this machine: host, device, precision, cores, torch."""
    where = device()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type.upper()
    return (
        f"{host()}, {name}, {precision(where).reason.split(':')[0]}, "
        f"{os.cpu_count()} CPU cores, torch {torch.__version__}"
    )


def widgets() -> bool:
    """Whether interactive widgets can run: a notebook that has ipywidgets.

    Under ``COURSEKIT_WIDGETS=off`` explorers and quizzes leave pictures and sentences instead, as
    in a stored notebook.
    """
    wanted = switch("COURSEKIT_WIDGETS", "on") and host() != "terminal"
    return wanted and importlib.util.find_spec("ipywidgets") is not None


def quick() -> bool:
    """Whether ``COURSEKIT_QUICK=1`` asks for fewer examples and one epoch."""
    return switch("COURSEKIT_QUICK", "off")


def edition(asked: str | None = None) -> tuple[str, bool]:
    """The edition of the data that is wanted, "full" or "sample", and whether by name.

    ``asked``, or else ``COURSEKIT_DATA``, is full, sample or auto; auto means full where a GPU can
    be used. What was asked for by name must be had.
    """
    names = ("full", "sample", "auto")
    if asked is None:
        asked = setting("COURSEKIT_DATA", names, "auto")
    if choose("edition", asked, names) == "auto":
        return ("sample" if device().type == "cpu" else "full"), False
    return asked, True


@checked
def by_edition(
    path: str | Path, *, full: Value, sample: Value, quick: Value | None = None
) -> Value:
    """Choose ``full`` or ``sample``, whichever edition the data set in ``path`` is.

    Args:
        path: what ``ck.fetch`` returned, or a folder in it; a folder of your own is full.
        full, sample: the value for each edition, such as the size of the pictures.
        quick: in place of ``full`` under the quick profile, where that would take too long.
    """
    if home() / "sample" in Path(path).absolute().parents:
        return sample
    return quick if quick is not None and switch("COURSEKIT_QUICK", "off") else full


def home() -> Path:
    """The folder for data, caches and checkpoints: ``COURSEKIT_HOME`` or ~/.coursekit."""
    return _folder("COURSEKIT_HOME", os.environ.get("COURSEKIT_HOME") or "~/.coursekit")


def checkpoints() -> Path:
    """The folder for checkpoints: ``COURSEKIT_CHECKPOINTS`` or home()/checkpoints."""
    asked = os.environ.get("COURSEKIT_CHECKPOINTS")
    return _folder("COURSEKIT_CHECKPOINTS", asked) if asked else home() / "checkpoints"


def _folder(variable: str, asked: str) -> Path:
    """The path ``asked``, which must mean the same folder in every notebook."""
    try:
        folder = Path(asked).expanduser()
        why = "another folder for every notebook"
    except RuntimeError as error:  # no such user, or a user without a home folder
        folder, why = Path(), reason(error)
    if not folder.is_absolute():
        raise CourseError(f"{variable} is {asked!r}, {why}. Set it to the whole path of a folder.")
    return folder


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written to ``folder``, or None where it can, or can be made.

    Also covers a stale Drive mount, where every file operation raises OSError.
    """
    places = (folder, *folder.parents)
    for link in places:
        if os.path.islink(link) and not os.path.exists(link):
            return f"{os.readlink(link)} has vanished"
    for there in places:
        try:
            tempfile.TemporaryFile(dir=there).close()
            return None
        except FileNotFoundError:
            continue
        except OSError as error:
            return reason(error)
    return None


@checked
def seed(number: int = 42) -> None:
    """Seed Python's, NumPy's and torch's random numbers, so that a run can be repeated."""
    random.seed(number)
    numpy.random.seed(number % 2**32)
    torch.manual_seed(number % 2**64)


def random_state() -> dict[str, Any]:
    """State of every random number generator, for ``set_random_state``."""
    state = {
        "python": random.getstate(),
        "numpy": numpy.random.get_state(),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put every random number generator back to a ``random_state()``."""
    random.setstate(state["python"])
    numpy.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Prepare a notebook: figures between the cells, edited modules reloaded, the seed set.

    Today's Colab pairs IPython 7.34 with Python 3.13. That IPython imports ``imp``, which Python
    has dropped, for nothing but ``reload``; the stand-in stays for ``%reload_ext autoreload``.
    """
    import IPython

    shell.run_line_magic("matplotlib", "inline")
    reloads = "reloaded"
    try:
        if IPython.version_info[0] < 8 and sys.version_info >= (3, 12):
            imp = sys.modules.setdefault("imp", types.ModuleType("imp"))
            imp.reload = importlib.reload  # type: ignore[attr-defined]
        if "autoreload" not in shell.magics_manager.magics["line"]:
            shell.run_line_magic("load_ext", "autoreload")
        shell.run_line_magic("autoreload", "2")
    except ImportError:
        reloads = "not reloaded"
    seed()
    name, by_name = edition()
    why = f"{'a' if name == 'full' else 'no'} GPU can be used"
    why = "asked for by COURSEKIT_DATA" if by_name else why
    profile = ", quick profile" if quick() else ""
    print(machine())
    print(f"data: {name} edition ({why}){profile}; seed 42; edited modules are {reloads}")
