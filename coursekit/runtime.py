"""Where am I: device, precision, notebook service, profile, folders and seed."""

import functools
import importlib.util
import os
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from coursekit.console import CourseError, nearest, reason


@functools.cache
def _probe(kind):
    """Run a real matrix product on ``kind`` and return why it failed, or None where it worked."""
    try:
        ones = torch.ones(8, 8, device=kind)
        if (ones @ ones).sum().item() != 512.0:
            return "it computes wrong results"
    except Exception as error:  # drivers raise every kind of exception
        return reason(error)
    return None


def probe(kind):
    """Return why the device ``kind`` ("cuda", "mps", "cpu") cannot be used, or None where it can.

    ``torch.cuda.is_available()`` may be True on a GPU that the installed build cannot run on, so a
    real operation is tried, once.
    """
    if kind == "cuda" and not torch.cuda.is_available():
        return "there is none, or this torch was built without CUDA"
    if kind == "mps" and not torch.backends.mps.is_available():
        return "there is none"
    return _probe(kind)


def device():
    """Return the ``torch.device`` that the course computes on: CUDA, then MPS, then the CPU.

    ``COURSEKIT_DEVICE=cpu`` (or cuda, mps) decides by name.

    Raises:
        CourseError: the device asked for by name cannot be used.
    """
    asked = os.environ.get("COURSEKIT_DEVICE", "").lower()
    if asked:
        if asked.split(":")[0] not in ("cpu", "cuda", "mps"):
            raise CourseError(f"COURSEKIT_DEVICE is {asked!r}; set it to cpu, cuda or mps.")
        why_not = probe(asked)
        if why_not:
            raise CourseError(
                f"COURSEKIT_DEVICE asks for {asked}, which cannot be used here ({why_not}); "
                "unset it, or set it to cpu."
            )
        return torch.device(asked)
    for kind in ("cuda", "mps"):
        if probe(kind) is None:
            return torch.device(kind)
    return torch.device("cpu")


@dataclass(frozen=True)
class Precision:
    """The number format of the forward pass: ``dtype``, whether gradients are scaled, and why."""

    dtype: torch.dtype
    scaled: bool
    reason: str


def precision(where=None):
    """Return the ``Precision`` for the device ``where`` (default: ``device()``), with its reason.

    bfloat16 from compute capability 8.0, float16 with scaled gradients below it, float32 elsewhere.
    """
    where = torch.device(where) if where is not None else device()
    if where.type != "cuda":
        return Precision(torch.float32, False, f"float32: {where.type} computes in full precision")
    major, minor = torch.cuda.get_device_capability(where)
    if major >= 8:
        reason = f"bfloat16: compute capability {major}.{minor} has it in hardware"
        return Precision(torch.bfloat16, False, reason)
    reason = f"float16 with scaled gradients: compute capability {major}.{minor} has no bfloat16"
    return Precision(torch.float16, True, reason)


def host():
    """Return where the code runs: "colab", "kaggle", "jupyter" or "terminal"."""
    if os.environ.get("COLAB_RELEASE_TAG") or os.environ.get("COLAB_BACKEND_VERSION"):
        return "colab"
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE"):
        return "kaggle"
    try:
        from IPython import get_ipython
    except ImportError:
        return "terminal"
    shell = get_ipython()
    return "jupyter" if shell is not None and hasattr(shell, "kernel") else "terminal"


def home():
    """Return the folder for data, caches and checkpoints: ``COURSEKIT_HOME`` or ~/.coursekit."""
    return Path(os.environ.get("COURSEKIT_HOME") or Path.home() / ".coursekit").expanduser()


def checkpoints():
    """Return the folder for checkpoints: ``COURSEKIT_CHECKPOINTS`` or home()/checkpoints."""
    asked = os.environ.get("COURSEKIT_CHECKPOINTS")
    return Path(asked).expanduser() if asked else home() / "checkpoints"


def progress_file():
    """Return the file of what the learner has done, in the folder for checkpoints."""
    return checkpoints() / "progress.json"


def unwritable(folder):
    """Return why nothing can be written to ``folder``, or None where it can, or can be made.

    It answers for a Drive that has died, too: nothing is missing there, every look at it fails.
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


def quick():
    """Return True under ``COURSEKIT_QUICK=1``: fewer examples, one epoch. Read only here."""
    return os.environ.get("COURSEKIT_QUICK", "") not in ("", "0")


def widgets():
    """Return True where interactive widgets can run: a notebook that has ipywidgets.

    Under ``COURSEKIT_WIDGETS=off`` explorers and quizzes leave pictures and sentences instead, as
    in a stored notebook. Read only here.
    """
    if os.environ.get("COURSEKIT_WIDGETS", "") == "off" or host() == "terminal":
        return False
    return importlib.util.find_spec("ipywidgets") is not None


def edition():
    """Return the edition of the data that is wanted: "full" or "sample", and whether by name.

    ``COURSEKIT_DATA=full|sample|auto`` decides; auto means full where a GPU can be used.

    Returns:
        (edition, by_name): by_name is True where it was asked for, so that it must be had.
    """
    asked = os.environ.get("COURSEKIT_DATA", "auto").lower() or "auto"
    if asked not in ("auto", "full", "sample"):
        raise CourseError(
            f"COURSEKIT_DATA is {asked!r}; set it to full, sample or auto."
            + nearest(asked, ["full", "sample", "auto"])
        )
    if asked == "auto":
        return ("full" if device().type != "cpu" else "sample"), False
    return asked, True


_quick = quick  # by_edition has an argument of that name


def by_edition(path, *, full, sample, quick=None):
    """Return ``full`` or ``sample``, whichever edition the data set in ``path`` is.

    Args:
        path: what ``ck.fetch`` returned.
        full, sample: the value for each edition, such as the size of the pictures.
        quick: in place of ``full`` under the quick profile, where that would take too long.
    """
    if quick is not None and _quick():
        full = quick
    return sample if Path(path).parent.name == "sample" else full


def architecture(path, *, full, sample):
    """Return the name of the architecture for the edition in ``path``; COURSEKIT_ARCH overrides."""
    return os.environ.get("COURSEKIT_ARCH") or by_edition(path, full=full, sample=sample)


def seed(number=42):
    """Seed Python's, NumPy's and torch's random numbers, so that a run can be repeated."""
    import numpy

    random.seed(number)
    numpy.random.seed(number % 2**32)
    torch.manual_seed(number)


def random_state():
    """Return the state of every random number generator, for ``set_random_state``."""
    import numpy

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


def set_random_state(state):
    """Put every random number generator back to what ``random_state()`` returned."""
    import numpy

    random.setstate(state["python"])
    numpy.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state:
        torch.mps.set_rng_state(state["mps"])


def machine():
    """Return one line about this machine: place, device, precision, cores, torch."""
    where = device()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type.upper()
    return (
        f"{host()}, {name}, {precision(where).reason.split(':')[0]}, "
        f"{os.cpu_count()} CPU cores, torch {torch.__version__}"
    )
