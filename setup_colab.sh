#!/usr/bin/env bash
# Make a fresh Colab or Kaggle runtime ready for the lessons; a Linux shell with Python works too.
#
#   bash setup_colab.sh           the first cell of each lesson does this
#
# It can be run again at any time. What is installed already is not changed: torch, numpy, IPython
# and all the others stay as they are, and the running kernel needs no restart. On failure, the file
# build/setup-problem holds one sentence, which the first cell of a lesson shows.
set -u
export LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
course=$(cd "$(dirname "${BASH_SOURCE[0]:-.}")" && pwd)
python=${PYTHON:-python3}
state=$course/build # setup-problem: one sentence, or empty; setup-checked: of the last success
begun=${EPOCHREALTIME/./}
since=$begun

say() { # one line for a finished step, with its seconds
    local now=${EPOCHREALTIME/./} tenths
    tenths=$(((now - since + 50000) / 100000))
    printf '%3d.%d s  %s\n' $((tenths / 10)) $((tenths % 10)) "$*"
    since=$now
}

stop() { # one sentence with its remedy, for the eye and for the first cell
    { mkdir -p "$state" && echo "$*" >"$state/setup-problem"; } 2>/dev/null
    echo "The set-up stopped. $*" >&2
    exit 1
}

again="then run this cell again"
fresh="Runtime > Disconnect and delete runtime, $again"
[ -n "${KAGGLE_KERNEL_RUN_TYPE:-}" ] && fresh="Run > Factory reset, $again"
latest="choose the latest version of the runtime (Runtime > Change runtime type), $again"
[ -n "${KAGGLE_KERNEL_RUN_TYPE:-}" ] && latest="choose Settings > Environment > latest, $again"
full="The disk is full: delete files that you no longer need, $again."
work=$(mktemp -d 2>/dev/null) || stop "$full"
trap 'rm -rf "$work"' EXIT

# What is asked of Python, without any package. A failed question prints the sentence to stop with.
# An empty file, of a full disk, would say yes to everything.
cat >"$work/ask.py" <<'END' 2>/dev/null || stop "$full"
import contextlib, filecmp, importlib.metadata, importlib.util, os, re, shutil, sys, tomllib
from pathlib import Path

course, work = Path(sys.argv[2]), Path(__file__).parent
again = sys.argv[3]
# What was here before a run that saw a package change. It outlives the copy of the course, and
# counts for this machine, since it was started, and this Python.
kept = Path.home() / ".local" / "state" / "coursekit-constraints"
boot = Path("/proc/sys/kernel/random/boot_id")
machine = f"# {boot.read_text().strip() if boot.exists() else ''} {sys.prefix}\n"


def installed():
    """Return {name: version} of what can be imported; the first on the path counts."""
    found = {}
    for one in importlib.metadata.distributions():
        if one.metadata["Name"] and one.version:
            found.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
    found.pop("coursekit", None)
    return found


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3]]


def note_versions():
    """Write down what is installed as constraints, and what the course lacks."""
    before = installed()
    constraints = machine + "".join(f"{n}=={v}\n" for n, v in sorted(before.items()))
    if kept.exists() and kept.read_text().startswith(machine):
        constraints = kept.read_text()  # else the change would be how it was
    (work / "constraints").write_text(constraints)
    wanted = tomllib.loads((course / "pyproject.toml").read_text())["project"]["dependencies"]
    pairs = [re.fullmatch(r"([\w.-]+)>=([\d.]+)", line).groups() for line in wanted]
    for name, bound in pairs:
        if name in before and numbers(before[name]) < numbers(bound):
            sys.exit(f"The course needs {name} {bound} and this runtime has {before[name]}: {again}.")
    lacking = [f"{name}>={bound}" for name, bound in pairs if name not in before]
    if {"torch", "torchvision"} & {line.split(">=")[0] for line in lacking}:
        sys.exit(f"torch and torchvision must be there before the course: {again}.")
    (work / "lacking").write_text("\n".join(lacking))
    shown = ", ".join(f"{n} {before[n]}" for n in ("torch", "numpy", "ipython") if n in before)
    print(f"{len(before)} packages stay as they are: {shown}, ...")


def compare_versions():
    """Fail where anything that was there before has another version now."""
    after = installed()
    for line in (work / "constraints").read_text().splitlines()[1:]:
        name, _, version = line.partition("==")
        if after.get(name) != version:
            with contextlib.suppress(OSError):
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(work / "constraints", kept)
            sys.exit(f"{name} was {version} and is {after.get(name, 'gone')} now: {again}.")
    kept.unlink(missing_ok=True)


def check_room():
    """Fail on a full disk; let ~/.coursekit lead to a roomier disk where its own is small."""
    home = Path(os.environ.get("COURSEKIT_HOME") or Path.home() / ".coursekit").expanduser()
    places = [Path.home(), *map(Path, ("/content", "/tmp"))]
    room = {p: shutil.disk_usage(p).free / 1e9 for p in places if os.access(p, os.W_OK)}
    if not home.exists() and home == Path.home() / ".coursekit" and room:
        roomiest = max(room, key=room.get)
        if room.get(Path.home(), 0) < 10 and room[roomiest] > 10:
            (roomiest / "coursekit-data").mkdir(exist_ok=True)
            home.symlink_to(roomiest / "coursekit-data")
    there = next(p for p in (home, *home.parents) if p.exists())
    least = min(shutil.disk_usage(p).free / 1e9 for p in (there, course, sys.prefix, work))
    if least < 0.2:
        sys.exit(f"The disk is full, {least * 1000:.0f} MB are free: {again}.")
    free = shutil.disk_usage(there).free / 1e9
    print(f"Data and checkpoints go to {home.resolve()} ({free:.0f} GB free)")


def is_installed():
    """Succeed where a new Python would import this very course."""
    sys.path[:] = [folder for folder in sys.path if Path(folder or ".").resolve() != work.resolve()]
    found = importlib.util.find_spec("coursekit")
    if found is None or not found.origin:
        sys.exit(1)
    ours, theirs = course / "coursekit", Path(found.origin).parent
    files = [f.relative_to(ours) for f in ours.rglob("*") if f.suffix in (".py", ".json", ".toml", ".xz", ".safetensors")]
    same = filecmp.cmpfiles(ours, theirs, files, shallow=False)
    sys.exit(len(same[0]) != len(files))


globals()[sys.argv[1]]()
END
ask() { (cd "$work" && "$python" ask.py "$1" "$course" "$2") 2>"$work/said"; }
said() { tail -n 1 "$work/said" | grep . || echo "$full"; } # no room, not even for the sentence

install() { # pip, with every version that is there as a constraint; its answer in one sentence
    "$python" -m pip install --quiet --no-input --retries 2 --timeout 20 \
        --constraint "$work/constraints" "$@" >"$work/pip" 2>&1 && return
    grep -q "No space left" "$work/pip" && stop "$full"
    grep -q "externally-managed" "$work/pip" &&
        stop "This Python belongs to the operating system: make one for the course" \
            "(python3 -m venv ~/venv; . ~/venv/bin/activate), then run this again in it."
    grep -qE "ResolutionImpossible|conflicting" "$work/pip" &&
        stop "$* cannot be installed beside what is here: $latest."
    grep -qiE "connection|resolve|timed out|No matching distribution|HTTP error" "$work/pip" &&
        stop "The package index could not be reached for $*: check the internet connection" \
            "(on Kaggle: Settings > Turn on internet), $again."
    stop "pip could not install $* ($(grep -m 1 ERROR "$work/pip" | head -c 150)): $fresh."
}

# 1 · The copy of the course, Python, the disk ---------------------------------------------------
[ -s "$course/pyproject.toml" ] && [ -s "$course/coursekit/__init__.py" ] ||
    stop "This copy of the course is not whole: delete the folder $course, $again."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    stop "There is no Python 3.11 or newer here: $latest."
ask check_room "delete files that you no longer need, $again" >"$work/line" ||
    stop "$(said)"
say "$(cat "$work/line")"

# 2 · What is there stays, what is missing comes -------------------------------------------------
ask note_versions "$latest" >"$work/line" || stop "$(said)"
say "$(cat "$work/line")"
if [ -s "$work/lacking" ]; then
    mapfile -t lacking <"$work/lacking"
    install "${lacking[@]}"
    ask compare_versions "$fresh" >/dev/null || stop "$(said)"
    say "Installed what was missing: ${lacking[*]}"
fi

# 3 · torch, torchvision and the GPU, with a real operation --------------------------------------
# Done once for these versions and this machine: importing torch and torchvision takes seconds.
{ cat "$work/constraints" && ls /dev/nvidia*; } >"$work/checked" 2>&1
if [ -s "$state/setup-found" ] && cmp -s "$work/checked" "$state/setup-checked"; then
    say "Checked before: $(cat "$state/setup-found")"
else
    rm -f "$state/setup-found"
    (cd "$work" && PYTHONPATH=$course "$python" - check >found 2>said) <<'END' ||
import torch
import torchvision

from coursekit import runtime

reason = runtime.probe("cuda")
if reason is None:
    print(f"The GPU computes correctly: {torch.cuda.get_device_name()}")
elif torch.cuda.is_available():
    print(f"The GPU cannot be used ({reason}): the lessons run on the CPU, with the sample data,", end=" ")
    print("until you choose another GPU: Runtime > Change runtime type in Colab, Settings in Kaggle")
else:
    print("There is no GPU: the lessons run on the CPU, with the sample data, until you choose one:", end=" ")
    print("Runtime > Change runtime type > T4 in Colab, Settings > Accelerator in Kaggle")
END
        stop "torch cannot be used here ($(said | head -c 150)): $fresh."
    say "$(cat "$work/found")"
    grep -q "cannot be used" "$work/found" || # what failed is tried again
        { mkdir -p "$state" && cp "$work/found" "$state/setup-found"; } 2>/dev/null
fi

# 4 · The course; it comes last, so that where it can be imported all is well -----------------------
if ask is_installed ""; then
    say "coursekit is installed already"
else
    mkdir "$work/copy" && cp -r "$course/coursekit" "$course/pyproject.toml" "$course/README.md" \
        "$work/copy" 2>/dev/null || stop "$full"
    isolation=--no-build-isolation # else pip fetches setuptools, which Colab and Kaggle have
    "$python" -c 'import setuptools' 2>/dev/null || isolation=--quiet
    install --no-deps --force-reinstall "$isolation" "$work/copy"
    ask is_installed "" || stop "coursekit was installed but Python does not find it: $fresh."
    say "Installed coursekit"
fi
ask compare_versions "$fresh" >/dev/null || {
    "$python" -m pip uninstall --quiet --yes coursekit >"$work/pip" 2>&1
    stop "$(said)"
}
say "Every package that was here has the version that it had"

{ mkdir -p "$state" && cp "$work/checked" "$state/setup-checked" && : >"$state/setup-problem"; } \
    2>/dev/null
tenths=$(((${EPOCHREALTIME/./} - begun + 50000) / 100000))
echo "Ready in $((tenths / 10)).$((tenths % 10)) s."
