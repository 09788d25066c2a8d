"""One cell that checks the machine and names one remedy a problem: ``ck.doctor()``."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch
from packaging.requirements import Requirement
from packaging.version import Version

from coursekit import runtime
from coursekit.console import CourseError, reason, size
from coursekit.data import cache

GIGABYTE = 2**30
MENUS = {  # where a GPU is chosen
    "colab": "Runtime > Change runtime type > T4 GPU",
    "kaggle": "Settings > Accelerator > GPU T4",
}
LATEST = {  # what replaces torch there breaks every other package that was built for it
    "colab": "choose the latest version in Runtime > Change runtime type, then run from the top",
    "kaggle": "choose Settings > Environment > latest, then run from the top",
}


class Finding(NamedTuple):
    """One line of the report: what was looked at, what was found, and a remedy or nothing."""

    what: str
    found: str
    remedy: str = ""


class Report(list[Finding]):
    """The findings of ``doctor()``, printed as a table."""

    @property
    def problems(self) -> list[Finding]:
        """The findings that need a remedy."""
        return [finding for finding in self if finding.remedy]

    def __repr__(self) -> str:
        width = max(len(finding.what) for finding in self)
        lines = []
        for what, found, remedy in self:
            lines.append(f"{'!' if remedy else ' '} {what:<{width}}  {found}")
            lines += [f"  {'':<{width}}  -> {remedy}"] if remedy else []
        count = len(self.problems)
        return "\n".join([*lines, f"{count} to look at, marked by !" if count else "All is well."])


def doctor() -> Report:
    """Check device, precision, memory, disk and versions; the report prints itself."""
    python = f"{platform.python_version()} on {platform.system()}, {runtime.host()}"
    looks: dict[str, Callable[[], tuple[str, str]]] = {
        "Python": lambda: (python, ""),
        "torch": _torch,
        "GPU": _gpu,
        "precision": lambda: (runtime.precision().reason, ""),
        "memory": _memory,
        "folder": _folder,
        "trainings": _trainings,
    }
    findings = []
    for what, look in looks.items():
        try:
            findings.append(Finding(what, *look()))
        except CourseError as error:  # a setting names what is not there
            findings.append(Finding(what, *re.split(r"[.;] ", str(error), maxsplit=1)))
    return Report([*findings, *_too_old()])


def _torch() -> tuple[str, str]:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        found = f"torch {torch.__version__}, torchvision fails to import ({reason(error)})"
        remedy = "install torch and torchvision together, from one index"
        return found, LATEST.get(runtime.host(), remedy)
    return f"torch {torch.__version__}, torchvision {torchvision.__version__}", ""


def _gpu() -> tuple[str, str]:
    why_not = runtime.probe("cuda")
    if why_not is None:
        facts = torch.cuda.get_device_properties(0)
        return f"{facts.name}, {facts.total_memory / GIGABYTE:.0f} GB, computes correctly", ""
    if runtime.probe("mps") is None:
        return "Apple GPU, computes correctly", ""
    if torch.cuda.is_available():
        remedy = "choose another GPU type, or set COURSEKIT_DEVICE=cpu"
        return f"there is one, but it cannot be used: {why_not}", remedy
    if menu := MENUS.get(runtime.host()):
        return "there is none", f"{menu}, then run from the top"
    return "there is none: the sample edition of the lessons runs on the CPU", ""


def _memory() -> tuple[str, str]:
    cores = f"{os.cpu_count()} CPU cores"
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    except (AttributeError, ValueError, OSError):  # Windows
        return cores, ""
    remedy = "close other programs; the lessons want 4 GB" if total < 4 else ""
    return f"{total:.0f} GB, {cores}", remedy


def _folder() -> tuple[str, str]:
    folder = runtime.home()
    if why := runtime.unwritable(folder):
        found = f"{_short(folder)} cannot be written ({why})"
        return found, "set COURSEKIT_HOME to one that can be"
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / GIGABYTE
    kept = size(sum(fact.st_size for fact in cache.arrays().values()))
    remedy = "make room, or set COURSEKIT_HOME to a larger disk" if free < 3 else ""
    return f"{_short(folder)}, {free:.0f} GB free; caches take {kept} of {size(cache.ROOM)}", remedy


def _short(folder: Path) -> str:
    return str(folder).replace(os.path.expanduser("~"), "~", 1)


def _trainings() -> tuple[str, str]:
    folder, host = runtime.checkpoints(), runtime.host()
    drive = ""
    if host == "colab":
        there = os.path.ismount("/content/drive")
        drive = f"; Drive is {'open' if there else 'not open, ck.keep_on_drive() opens it'}"
    named = bool(os.environ.get("COURSEKIT_CHECKPOINTS"))  # else below the folder looked at above
    if named and (why := runtime.unwritable(folder)):
        remedy = "set COURSEKIT_CHECKPOINTS to a folder that can be"
        remedy = "run the cell with ck.keep_on_drive() again" if host == "colab" else remedy
        return f"not kept, {_short(folder)} cannot be written ({why}){drive}", remedy
    ends = "" if named or host not in MENUS else ", lost when this runtime ends"
    return f"kept in {_short(folder)}{ends}{drive}", ""


def _too_old() -> Iterator[Finding]:
    """Packages that are older than the course asks for, or missing."""
    try:
        wanted = [Requirement(line) for line in metadata.requires("coursekit") or []]
    except metadata.PackageNotFoundError:
        return
    latest = LATEST.get(runtime.host())
    for need in wanted:
        if need.marker is not None:  # of an extra, such as what the lessons are built with
            continue
        try:
            found = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Finding(need.name, "not installed", latest or f"pip install '{need}'")
            continue
        if not need.specifier.contains(Version(found).base_version):  # 3.0rc1 passes for 3.0
            remedy = latest or f"pip install -U {need.name}"
            yield Finding(need.name, f"{found}, older than the course needs ({need})", remedy)
