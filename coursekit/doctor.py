"""One cell that checks the machine and names one remedy a problem: ``ck.doctor()``."""

import html
import os
import platform
import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from coursekit import runtime
from coursekit.console import CourseError, reason

__path__ = ()  # else `python -m coursekit.doctor` warns that coursekit has imported it already
GIGABYTE = 2**30
TESTED = {  # name: the oldest and the newest release that the lessons have been run with
    "torch": ("2.11", "2.14"),
    "torchvision": ("0.26", "0.29"),
    "numpy": ("2.1", "2.4"),
    "pandas": ("2.2", "3.1"),
    "matplotlib": ("3.10", "3.11"),
    "scikit-learn": ("1.6", "1.9"),
    "pillow": ("11.3", "13.0"),
    "ipython": ("7.34", "9.18"),
    "ipywidgets": ("7.7", "8.1"),
}
MENUS = {  # where a GPU is chosen
    "colab": "Runtime > Change runtime type > T4 GPU",
    "kaggle": "Settings > Accelerator > GPU T4",
}
LATEST = {  # what replaces torch there breaks every other package that was built for it
    "colab": "choose the latest version in Runtime > Change runtime type, then run from the top",
    "kaggle": "choose Settings > Environment > latest, then run from the top",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found, and a remedy or nothing."""

    what: str
    found: str
    remedy: str = ""


class Report(list):
    """The findings of ``doctor()``: a table in a notebook, text elsewhere."""

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
        return "\n".join([*lines, self._verdict()])

    def _repr_html_(self):
        rows = []
        for finding in self:
            cells = ("!" if finding.remedy else "", finding.what, finding.found, finding.remedy)
            rows.append("".join(f"<td align=left>{html.escape(cell)}</td>" for cell in cells))
        return f"<table><tr>{'</tr><tr>'.join(rows)}</tr></table>{self._verdict()}"

    def _verdict(self):
        count = len(self.problems)
        return "All is well." if not count else f"{count} to look at, marked by !"


def doctor():
    """Check device, precision, memory, disk, versions; return a ``Report`` that prints itself."""
    machine = [_python(), _torch(), _gpu(), _precision(), _memory()]
    return Report([*machine, _disk(), _checkpoints(), *_drive(), _tested(), *_too_old()])


def _python():
    return Finding(
        "Python", f"{platform.python_version()} on {platform.system()}, {runtime.host()}"
    )


def _torch():
    try:
        import torchvision

        beside = f"torchvision {torchvision.__version__}"
    except (ImportError, RuntimeError) as error:
        return Finding(
            "torch",
            f"torch {torch.__version__}, torchvision fails to import ({reason(error)})",
            LATEST.get(runtime.host(), "install torch and torchvision together, from one index"),
        )
    return Finding("torch", f"torch {torch.__version__}, {beside}")


def _gpu():
    if runtime.probe("cuda") is None:
        facts = torch.cuda.get_device_properties(0)
        size = facts.total_memory / GIGABYTE
        return Finding("GPU", f"{facts.name}, {size:.0f} GB, computes correctly")
    if runtime.probe("mps") is None:
        return Finding("GPU", "Apple GPU, computes correctly")
    if torch.cuda.is_available():
        return Finding(
            "GPU",
            f"there is one, but it cannot be used: {runtime.probe('cuda')}",
            "choose another GPU type, or set COURSEKIT_DEVICE=cpu",
        )
    if runtime.host() in MENUS:
        return Finding("GPU", "there is none", f"{MENUS[runtime.host()]}, then run from the top")
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
    shared = Path("/dev/shm")
    size = (
        f", {shutil.disk_usage(shared).total / GIGABYTE:.0f} GB shared" if shared.is_dir() else ""
    )
    return Finding("memory", f"{total:.0f} GB{size}, {os.cpu_count()} CPU cores", remedy)


def _disk():
    folder = runtime.home()
    if why := runtime.unwritable(folder):
        return Finding(
            "folder",
            f"{_short(folder)} cannot be written ({why})",
            "set COURSEKIT_HOME to one that can be",
        )
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free / GIGABYTE
    remedy = "make room, or set COURSEKIT_HOME to a larger disk" if free < 3 else ""
    return Finding("folder", f"{_short(folder)}, {free:.0f} GB free", remedy)


def _short(folder):
    """Return a path with ~ for the home folder."""
    try:
        return Path("~") / folder.relative_to(Path.home())
    except ValueError:
        return folder


def _checkpoints():
    ends = {"colab": ", lost when this runtime ends", "kaggle": ", lost when this session ends"}
    folder, host = runtime.checkpoints(), runtime.host()
    if not os.environ.get("COURSEKIT_CHECKPOINTS"):  # below the folder that was looked at above
        return Finding("trainings", f"kept in {_short(folder)}{ends.get(host, '')}")
    if why := runtime.unwritable(folder):
        return Finding(
            "trainings",
            f"not kept, {_short(folder)} cannot be written ({why})",
            "run the cell with ck.keep_on_drive() again"
            if host == "colab"
            else "set COURSEKIT_CHECKPOINTS to a folder that can be",
        )
    return Finding("trainings", f"kept in {_short(folder)}")


def _drive():
    if runtime.host() == "colab":
        there = os.path.ismount("/content/drive")
        yield Finding("Drive", "open" if there else "not open; ck.keep_on_drive() opens it")


def _tested():
    """Name what is newer than any release that the lessons have been run with."""
    newer = []
    for name, (oldest, newest) in TESTED.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if _numbers(found)[:2] > _numbers(newest):
            newer.append(f"{name} {found} is newer than {oldest} to {newest}")
    return Finding("tested", "; ".join(newer) or "the lessons have been run with such versions")


def _too_old():
    """Compare what is installed with the lower bounds that the package asks for."""
    try:
        wanted = metadata.requires("coursekit") or []
    except metadata.PackageNotFoundError:
        wanted = []
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


def _numbers(version):
    parts = version.split("+")[0].split(".")[:3]
    return [int(re.match(r"\d*", part).group() or 0) for part in parts]


if __name__ == "__main__":
    print(doctor())
