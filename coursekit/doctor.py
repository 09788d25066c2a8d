"""One cell that checks the machine and names one remedy a problem: ``ck.doctor()``."""

import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata

import torch

from coursekit import runtime
from coursekit.console import CourseError, reason

GIGABYTE = 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found, and a remedy or nothing."""

    what: str
    found: str
    remedy: str = ""


class Report(list):
    """The findings of ``doctor()``; prints as a table."""

    @property
    def problems(self):
        """Return the findings that need a remedy."""
        return [finding for finding in self if finding.remedy]

    def __repr__(self):
        width = max(len(finding.what) for finding in self)
        lines = []
        for finding in self:
            mark = "!" if finding.remedy else " "
            lines.append(f"{mark} {finding.what:<{width}}  {finding.found}")
            if finding.remedy:
                lines.append(f"  {'':<{width}}  -> {finding.remedy}")
        count = len(self.problems)
        lines.append("All is well." if not count else f"{count} to look at, marked by !")
        return "\n".join(lines)


def doctor():
    """Check device, precision, memory, disk, versions; return a ``Report`` that prints itself."""
    return Report([_python(), _torch(), _gpu(), _precision(), _memory(), _disk(), *_versions()])


def _python():
    return Finding(
        "Python", f"{platform.python_version()} on {platform.system()}, {runtime.place()}"
    )


def _torch():
    try:
        import torchvision

        beside = f"torchvision {torchvision.__version__}"
    except (ImportError, RuntimeError) as error:
        return Finding(
            "torch",
            f"torch {torch.__version__}, torchvision fails to import ({reason(error)})",
            "install torch and torchvision together, from one index",
        )
    return Finding("torch", f"torch {torch.__version__}, {beside}")


def _gpu():
    for kind in ("cuda", "mps"):
        reason = runtime.probe(kind)
        if reason is None:
            return Finding("GPU", f"{kind} computes correctly")
    if torch.cuda.is_available():
        return Finding(
            "GPU",
            f"there is one, but it cannot be used: {runtime.probe('cuda')}",
            "choose another GPU type, or set COURSEKIT_DEVICE=cpu",
        )
    if runtime.place() == "colab":
        return Finding(
            "GPU", "there is none", "Runtime > Change runtime type > T4 GPU, then run from the top"
        )
    return Finding("GPU", "there is none: the sample edition of the lessons runs on the CPU")


def _precision():
    try:
        return Finding("precision", runtime.precision().reason)
    except CourseError as error:  # COURSEKIT_DEVICE names what is not there
        found, _, remedy = str(error).rpartition("; ")
        return Finding("precision", found, remedy)


def _memory():
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    except (AttributeError, ValueError, OSError):  # Windows
        return Finding("memory", f"{os.cpu_count()} CPU cores")
    remedy = "close other programs; the lessons want 4 GB" if total < 4 else ""
    return Finding("memory", f"{total:.0f} GB, {os.cpu_count()} CPU cores", remedy)


def _disk():
    folder = runtime.home()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / GIGABYTE
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        return Finding(
            "folder",
            f"{folder} cannot be written ({reason(error)})",
            "set COURSEKIT_HOME to one that can be",
        )
    remedy = "make room, or set COURSEKIT_HOME to a larger disk" if free < 3 else ""
    return Finding("folder", f"{folder}, {free:.0f} GB free", remedy)


def _versions():
    """Compare what is installed with the lower bounds that the package asks for."""
    try:
        wanted = metadata.requires("coursekit") or []
    except metadata.PackageNotFoundError:
        wanted = []
    for line in wanted:
        name, _, bound = line.partition(";")[0].strip().partition(">=")
        if "extra ==" in line or not bound:
            continue
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", f"pip install {name}>={bound}")
            continue
        if _numbers(found) < _numbers(bound):
            yield Finding(name, f"{found}, older than {bound}", f"pip install -U {name}")


def _numbers(version):
    parts = version.split("+")[0].split(".")[:3]
    return [int(re.match(r"\d*", part).group() or 0) for part in parts]
