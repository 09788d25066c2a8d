"""The steps of setup_colab.sh: what is missing comes, what is there stays, the GPU is tried.

The runtime's own Python runs this, before any package of the course is there. ``setup_colab.py
probe`` only tries torch and the GPU, with the package of this copy.
"""

from __future__ import annotations

import contextlib
import filecmp
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

COURSE = Path(__file__).resolve().parent
PYTHON = os.environ.get("PYTHON", sys.executable)
CHECKED = COURSE / "build" / "setup-checked.json"  # the versions that torch was tried with
KAGGLE = "KAGGLE_KERNEL_RUN_TYPE" in os.environ
AGAIN = "then run this cell again"
FRESH = f"Run > Factory reset, {AGAIN}"
LATEST = f"choose Settings > Environment > latest, {AGAIN}"
if not KAGGLE:
    FRESH = f"Runtime > Disconnect and delete runtime, {AGAIN}"
    LATEST = f"choose the latest version of the runtime (Runtime > Change runtime type), {AGAIN}"
ROOM = f"delete files that you no longer need, {AGAIN}"
Versions = dict[str, str]


class SetupError(Exception):
    """The set-up cannot go on: a sentence with its remedy."""


# What is there ----------------------------------------------------------------------------------


def installed() -> Versions:
    """Versions of what can be imported, by name; the first on the path counts."""
    found: Versions = {}
    for one in importlib.metadata.distributions():
        if one.metadata["Name"] and one.version:
            found.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
    found.pop("coursekit", None)
    return found


class Constraints:
    """What was here before: pip gets it as constraints, and afterwards it must still be so.

    A run that finds a package changed keeps them in the home folder. They outlive this copy of the
    course, so that the next run does not take the change for how it always was; they count for
    this machine, since it was started, and for this Python.
    """

    def __init__(self, folder: Path) -> None:
        boot = Path("/proc/sys/kernel/random/boot_id")
        self.machine = f"{boot.read_text().strip() if boot.exists() else ''} {sys.prefix}"
        self.kept = Path.home() / ".local" / "state" / "coursekit-constraints.json"
        self.versions = self._kept() or installed()
        self.file = folder / "constraints"
        self.file.write_text("".join(f"{n}=={v}\n" for n, v in sorted(self.versions.items())))

    def _kept(self) -> Versions | None:
        try:
            machine, versions = json.loads(self.kept.read_text())
        except (OSError, ValueError):
            return None
        return versions if machine == self.machine else None

    def check(self) -> None:
        """Fail where anything that was there before has another version now."""
        after = installed()
        for name, version in self.versions.items():
            if after.get(name) != version:
                with contextlib.suppress(OSError):
                    self.kept.parent.mkdir(parents=True, exist_ok=True)
                    self.kept.write_text(json.dumps([self.machine, self.versions]))
                now = after.get(name, "gone")
                raise SetupError(f"{name} was {version} and is {now} now: {FRESH}.")
        self.kept.unlink(missing_ok=True)


def lacking(there: Versions) -> list[str]:
    """Requirements of the course that are not installed; fails where one is too old."""
    settings = tomllib.loads((COURSE / "pyproject.toml").read_text("utf-8"))
    missing = []
    for line in settings["project"]["dependencies"]:
        name, bound = line.split(">=")
        if name not in there:
            missing.append(line)
        elif _numbers(there[name]) < _numbers(bound):
            raise SetupError(
                f"The course needs {name} {bound} and this runtime has {there[name]}: {LATEST}."
            )
    if any(line.startswith("torch") for line in missing):
        raise SetupError(f"torch and torchvision must be there before the course: {LATEST}.")
    return missing


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3]]


def data_folder() -> str:
    """Let ~/.coursekit lead to a roomier disk where its own is small; fails on a full disk."""
    home = Path(os.environ.get("COURSEKIT_HOME") or Path.home() / ".coursekit").expanduser()
    places = [Path.home(), Path("/content"), Path("/tmp")]
    room = {p: shutil.disk_usage(p).free / 1e9 for p in places if os.access(p, os.W_OK)}
    if not home.exists() and home == Path.home() / ".coursekit" and room:
        roomiest = max(room, key=lambda place: room[place])
        if room.get(Path.home(), 0) < 10 < room[roomiest]:
            (roomiest / "coursekit-data").mkdir(exist_ok=True)
            home.symlink_to(roomiest / "coursekit-data")
    there = next(p for p in (home, *home.parents) if p.exists())
    needed = (there, COURSE, sys.prefix, tempfile.gettempdir())
    least = min(shutil.disk_usage(place).free / 1e6 for place in needed)
    if least < 200:
        raise SetupError(f"The disk is full, {least:.0f} MB are free: {ROOM}.")
    free = shutil.disk_usage(there).free / 1e9
    return f"Data and checkpoints go to {home.resolve()} ({free:.0f} GB free)"


def is_installed() -> bool:
    """Whether Python imports this very course: its code equal, its archives as large."""
    importlib.invalidate_caches()
    found = importlib.util.find_spec("coursekit")
    if found is None or not found.origin:
        return False
    ours, theirs = COURSE / "coursekit", Path(found.origin).parent
    files = [f.relative_to(ours) for f in ours.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    large = [file for file in files if file.suffix == ".xz"]
    code = [file for file in files if file.suffix != ".xz"]
    try:
        sizes = all((ours / f).stat().st_size == (theirs / f).stat().st_size for f in large)
    except FileNotFoundError:
        return False
    return sizes and len(filecmp.cmpfiles(ours, theirs, code, shallow=False)[0]) == len(code)


# What is done -----------------------------------------------------------------------------------


def install(*what: str | Path, constraints: Constraints) -> None:
    """Run pip, with every version that is there as a constraint; its answer in one sentence."""
    quiet = ["install", "--quiet", "--no-input", "--retries", "2", "--timeout", "20"]
    command = [PYTHON, "-m", "pip", *quiet, "--constraint", constraints.file, *what]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return
    told, names = ran.stdout + ran.stderr, " ".join(str(one) for one in what)
    unreachable = "connection|resolve|timed out|no matching distribution|http error"
    if "No space left" in told:
        raise OSError(told)
    if "externally-managed" in told:
        raise SetupError(
            "This Python belongs to the operating system: make one for the course (python3 -m venv "
            "~/venv; . ~/venv/bin/activate), then run this again in it."
        )
    if re.search("ResolutionImpossible|conflicting", told):
        raise SetupError(f"{names} cannot be installed beside what is here: {LATEST}.")
    if re.search(unreachable, told, re.IGNORECASE):
        raise SetupError(
            f"The package index could not be reached for {names}: check the internet connection "
            f"(on Kaggle: Settings > Turn on internet), {AGAIN}."
        )
    errors = [line for line in told.splitlines() if "ERROR" in line] or [""]
    raise SetupError(f"pip could not install {names} ({errors[0][:150]}): {FRESH}.")


def install_course(constraints: Constraints, folder: Path) -> None:
    """Copy the course to where Python finds it; taken away again where a package has changed."""
    copy = folder / "copy"
    shutil.copytree(COURSE / "coursekit", copy / "coursekit")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(COURSE / name, copy)
    # without isolation pip fetches no setuptools, which Colab and Kaggle have
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("setuptools") else []
    install("--no-deps", "--force-reinstall", *isolation, copy, constraints=constraints)
    if not is_installed():
        raise SetupError(f"coursekit was installed but Python does not find it: {FRESH}.")


def check_torch(constraints: Constraints) -> str:
    """Try torch, torchvision and the GPU in a Python of their own; once for these versions."""
    gpus = sorted(map(str, Path("/dev").glob("nvidia*")))
    case = [constraints.versions, gpus]
    with contextlib.suppress(OSError, ValueError):
        checked, sentence = json.loads(CHECKED.read_text())
        if checked == case:
            return f"Checked before: {sentence}"
    ran = subprocess.run([PYTHON, __file__, "probe"], capture_output=True, text=True, check=False)
    sentence = ran.stdout.strip()
    if ran.returncode or not sentence:
        last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetupError(f"torch cannot be used here ({last[:150]}): {FRESH}.")
    if "cannot be used" not in sentence:  # what failed is tried again
        with contextlib.suppress(OSError):
            CHECKED.parent.mkdir(exist_ok=True)
            CHECKED.write_text(json.dumps([case, sentence]))
    return sentence


def probe() -> None:
    """Print what the lessons will compute on; raises what torch or torchvision raises."""
    import torch
    import torchvision  # noqa: F401

    from coursekit import runtime

    cpu = "the lessons run on the CPU, with the sample data, until you choose"
    reason = runtime.probe("cuda")
    if reason is None:
        print(f"The GPU computes correctly: {torch.cuda.get_device_name()}")
    elif torch.cuda.is_available():
        change = "Runtime > Change runtime type in Colab, Settings in Kaggle"
        print(f"The GPU cannot be used ({reason}): {cpu} another GPU: {change}")
    else:
        change = "Runtime > Change runtime type > T4 in Colab, Settings > Accelerator in Kaggle"
        print(f"There is no GPU: {cpu} one: {change}")


def set_up(folder: Path) -> None:
    """Run the steps, each with a line and its seconds."""
    begun = since = time.monotonic()

    def say(sentence: str) -> None:
        nonlocal since
        now = time.monotonic()
        print(f"{now - since:5.1f} s  {sentence}", flush=True)
        since = now

    say(data_folder())
    constraints = Constraints(folder)
    there = installed()
    missing = lacking(there)
    shown = ", ".join(f"{n} {there[n]}" for n in ("torch", "numpy", "ipython") if n in there)
    say(f"{len(there)} packages stay as they are: {shown}, ...")
    if missing:
        install(*missing, constraints=constraints)
        constraints.check()
        say(f"Installed what was missing: {' '.join(missing)}")
    say(check_torch(constraints))
    if is_installed():  # the course comes last: where it can be imported, all is well
        say("coursekit is installed already")
    else:
        install_course(constraints, folder)
        say("Installed coursekit")
    try:
        constraints.check()
    except SetupError:
        uninstall = [PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", "coursekit"]
        subprocess.run(uninstall, capture_output=True, check=False)
        raise
    say("Every package that was here has the version that it had")
    print(f"Ready in {time.monotonic() - begun:.1f} s.")


def main() -> int:
    """Set up; return the exit code."""
    if sys.argv[1:] == ["probe"]:
        probe()
        return 0
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != COURSE]  # not this copy
    try:
        with tempfile.TemporaryDirectory() as folder:
            set_up(Path(folder))
        return 0
    except SetupError as error:
        told = str(error)
    except OSError as error:
        full = re.search("No space left|quota exceeded|No usable temporary directory", str(error))
        told = f"The disk is full: {ROOM}." if full else f"Something is off ({error}): {FRESH}."
    print(f"The set-up stopped. {told}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
