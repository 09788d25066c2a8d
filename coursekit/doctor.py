"""One cell that checks the machine and names one remedy a problem: ``ck.doctor()``."""

from __future__ import annotations

import html
import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

from coursekit import runtime
from coursekit.console import CourseError, reason

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
        return "\n".join([*lines, self._verdict])

    def _repr_html_(self) -> str:
        rows = [["!" if one.remedy else "", *one] for one in self]
        cells = (
            "".join(f"<td align=left>{html.escape(cell)}</td>" for cell in row) for row in rows
        )
        return f"<table><tr>{'</tr><tr>'.join(cells)}</tr></table>{self._verdict}"

    @property
    def _verdict(self) -> str:
        count = len(self.problems)
        return f"{count} to look at, marked by !" if count else "All is well."


def doctor() -> Report:
    """Check device, precision, memory, disk and versions; the report prints itself."""
    machine = [_python(), _torch(), _gpu(), _precision(), _memory()]
    return Report([*machine, _disk(), *_trainings(), *_too_old()])


def _python() -> Finding:
    place = f"{platform.python_version()} on {platform.system()}, {runtime.host()}"
    return Finding("Python", place)


def _torch() -> Finding:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        found = f"torch {torch.__version__}, torchvision fails to import ({reason(error)})"
        remedy = "install torch and torchvision together, from one index"
        return Finding("torch", found, LATEST.get(runtime.host(), remedy))
    return Finding("torch", f"torch {torch.__version__}, torchvision {torchvision.__version__}")


def _gpu() -> Finding:
    why_not = runtime.probe("cuda")
    if why_not is None:
        facts = torch.cuda.get_device_properties(0)
        size = facts.total_memory / GIGABYTE
        return Finding("GPU", f"{facts.name}, {size:.0f} GB, computes correctly")
    if runtime.probe("mps") is None:
        return Finding("GPU", "Apple GPU, computes correctly")
    if torch.cuda.is_available():
        remedy = "choose another GPU type, or set COURSEKIT_DEVICE=cpu"
        return Finding("GPU", f"there is one, but it cannot be used: {why_not}", remedy)
    if menu := MENUS.get(runtime.host()):
        return Finding("GPU", "there is none", f"{menu}, then run from the top")
    return Finding("GPU", "there is none: the sample edition of the lessons runs on the CPU")


def _precision() -> Finding:
    try:
        return Finding("precision", runtime.precision().reason)
    except CourseError as error:  # COURSEKIT_DEVICE names what is not there
        return Finding("precision", str(error), "unset COURSEKIT_DEVICE, or set it to cpu")


def _memory() -> Finding:
    cores = f"{os.cpu_count()} CPU cores"
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIGABYTE
    except (AttributeError, ValueError, OSError):  # Windows
        return Finding("memory", cores)
    remedy = "close other programs; the lessons want 4 GB" if total < 4 else ""
    return Finding("memory", f"{total:.0f} GB, {cores}", remedy)


def _disk() -> Finding:
    folder = runtime.home()
    if why := runtime.unwritable(folder):
        found = f"{_short(folder)} cannot be written ({why})"
        return Finding("folder", found, "set COURSEKIT_HOME to one that can be")
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / GIGABYTE
    remedy = "make room, or set COURSEKIT_HOME to a larger disk" if free < 3 else ""
    return Finding("folder", f"{_short(folder)}, {free:.0f} GB free", remedy)


def _short(folder: Path) -> Path:
    """A path with ~ for the home folder."""
    home = Path.home()
    return Path("~") / folder.relative_to(home) if folder.is_relative_to(home) else folder


def _trainings() -> Iterator[Finding]:
    folder, host = runtime.checkpoints(), runtime.host()
    named = bool(os.environ.get("COURSEKIT_CHECKPOINTS"))  # else below the folder looked at above
    why = runtime.unwritable(folder) if named else None
    if why:
        again = "run the cell with ck.keep_on_drive() again"
        elsewhere = "set COURSEKIT_CHECKPOINTS to a folder that can be"
        found = f"not kept, {_short(folder)} cannot be written ({why})"
        yield Finding("trainings", found, again if host == "colab" else elsewhere)
    else:
        ends = "" if named or host not in MENUS else ", lost when this runtime ends"
        yield Finding("trainings", f"kept in {_short(folder)}{ends}")
    if host == "colab":
        there = os.path.ismount("/content/drive")
        yield Finding("Drive", "open" if there else "not open; ck.keep_on_drive() opens it")


def _too_old() -> Iterator[Finding]:
    """Packages that are older than the course asks for, or missing."""
    try:
        wanted = metadata.requires("coursekit") or []
    except metadata.PackageNotFoundError:
        return
    latest = LATEST.get(runtime.host())
    for line in wanted:
        name, _, bound = line.partition(";")[0].strip().partition(">=")
        if "extra ==" in line or not bound:
            continue
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(name, "not installed", latest or f"pip install {name}>={bound}")
            continue
        if _numbers(found) < _numbers(bound):
            yield Finding(name, f"{found}, older than {bound}", latest or f"pip install -U {name}")


def _numbers(version: str) -> list[int]:
    """The first three numbers of a version, which compare as 2.10 > 2.9."""
    parts = version.split("+")[0].split(".")[:3]
    return [int("".join(re.findall(r"^\d+", part)) or 0) for part in parts]
