#!/usr/bin/env bash
# Make a fresh Colab or Kaggle runtime ready for the lessons; the first cell of each lesson runs it.
#
# It can be run again at any time. What is installed already is not changed: torch, numpy, IPython
# and all the others stay as they are, and the running kernel needs no restart. Where it fails, the
# last line is a sentence that says what to do, and the exit status is 1. The steps are in
# setup_colab.py; here is what must be said where that file or a Python to run it may be missing.
set -u
export LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
course=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHON=${PYTHON:-python3}

stop() { # one sentence with its remedy
    echo "The set-up stopped. $*" >&2
    exit 1
}

[ -n "${COLAB_RELEASE_TAG:-}${COLAB_BACKEND_VERSION:-}${KAGGLE_KERNEL_RUN_TYPE:-}" ] ||
    stop "This is neither Colab nor Kaggle, and nothing was installed: in the folder of the course," \
        "\`make lab\` opens the lessons with all they need."
for file in setup_colab.py pyproject.toml README.md coursekit/__init__.py; do
    [ -s "$course/$file" ] ||
        stop "This copy of the course is not whole: delete the folder $course, then run this cell again."
done
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    stop "There is no Python 3.11 or newer here: choose the latest version of the runtime, then run" \
        "this cell again."
exec "$PYTHON" "$course/setup_colab.py"
