"""A stand-in for the Colab runtime: its Python, its versions, its variables, and a fresh home.

``python -m tests.colab_standin`` builds it, once, in ``build/colab-standin`` (about 6 GB).
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "colab-standin"
VERSIONS = Path(__file__).with_name("colab_versions.txt")
PYTHON = FOLDER / "bin" / "python"
KERNEL = "colab-standin"
COLAB = {"COLAB_RELEASE_TAG": "release-colab_20260819", "COLAB_GPU": "1"}
KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}


class StandinError(Exception):
    """The stand-in cannot be built on this machine: one sentence."""


@functools.cache
def python():
    """Return the path of a Python 3.13, else 3.12, that can make environments; None without."""
    for name in ("python3.13", "python3.12"):
        found = [shutil.which(name), *sorted(Path.home().glob(f".pyenv/versions/3.*/bin/{name}"))]
        for candidate in filter(None, found):
            probe = [candidate, "-c", "import ensurepip, sys; print(sys.executable)"]
            ran = subprocess.run(probe, capture_output=True, text=True, check=False)
            if ran.returncode == 0:
                return ran.stdout.strip()
    return None


def build():
    """Build the stand-in where it is not there yet, or is of other versions.

    Raises:
        StandinError: there is no such Python, no package index, or no room.
    """
    if python() is None:
        raise StandinError("there is no Python 3.13 or 3.12 to stand for Colab's")
    wanted = hashlib.sha256((python() + VERSIONS.read_text("utf-8")).encode()).hexdigest()
    mark = FOLDER / "built-from"
    if mark.is_file() and mark.read_text() == wanted:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.parent.mkdir(exist_ok=True)
    if shutil.disk_usage(FOLDER.parent).free < 10e9:
        raise StandinError("the stand-in for Colab needs 10 GB of disk while it is built")
    _run(python(), "-m", "venv", FOLDER)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
    _run(*pip, "--constraint", VERSIONS, "torch", "torchvision")  # with CUDA's libraries
    _run(*pip, "--no-deps", "--requirement", VERSIONS)
    mark.write_text(wanted)


def _run(*command):
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise StandinError(f"the stand-in for Colab cannot be built ({last[0]})")


def environment(home, host=COLAB):
    """Return all variables of a shell on the stand-in, whose home is the folder ``home``."""
    own = ("COURSEKIT_", "COLAB_", "KAGGLE_", "PYTHON", "JUPYTER", "IPYTHON", "VIRTUAL_ENV", "MPL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    path = os.pathsep.join([str(FOLDER / "bin"), kept.get("PATH", "")])
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # an old debugger and a new Python
    return {**kept, **host, **quiet, "HOME": str(home), "PATH": path, "OMP_NUM_THREADS": "1"}


def kernelspec(folder):
    """Write the kernel of the stand-in below ``folder``, which becomes a JUPYTER_PATH."""
    spec = folder / "kernels" / KERNEL
    spec.mkdir(parents=True, exist_ok=True)
    argv = [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": argv, "display_name": "Colab", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(content))
    return folder


if __name__ == "__main__":
    try:
        build()
    except StandinError as reason:
        sys.exit(f"Skipped: {reason}.")
    print(f"The stand-in for Colab is ready: {PYTHON.relative_to(ROOT)}.")
