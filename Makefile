# The one door to the course. `make help` lists what it can do; plain sh, any make.
.POSIX:
.PHONY: help lab quick test notebooks pages check lint format address release-check worlds backbone fuzz lines clean
PYTHON = .venv/bin/python
PYTEST = $(PYTHON) -m pytest -ra -n auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

help: ## this list
	@echo "make TARGET, where TARGET is"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

lab: .venv/.ready ## open JupyterLab on lesson 1 (OPEN=no: no browser; PORT=8888; TORCH=cpu)
	@set --; \
	[ "$${OPEN:-yes}" != no ] || set -- "$$@" --no-browser; \
	[ "$$(id -u)" != 0 ] || set -- "$$@" --allow-root; \
	exec $(PYTHON) -m jupyterlab --port="$${PORT:-8888}" --log-level=WARN "$$@" \
	    --LabApp.default_url=/lab/tree/notebooks/01_classification.ipynb

quick: .venv/.ready ## run the unit tests but those with a process of their own, in two minutes
	@$(PYTEST) --ignore=tests/lessons --ignore=tests/system --ignore=tests/worlds \
	    -k 'not (killed or the_kernel or real_kernel or process or mypy)'

test: .venv/.ready ## run the tests, 15 minutes (COURSEKIT_TESTS=all: also what it skips; ONLY=claims)
	@$(PYTEST) $${ONLY:+-m "$$ONLY"}

notebooks: .venv/.ready ## build the notebooks that are stale, or those named (LESSON=01)
	@$(PYTHON) -m notebooks.source.build $${LESSON:-}

pages: .venv/.ready ## write the lessons as HTML pages to read or print (build/pages)
	@$(PYTHON) -m notebooks.source.pages

check: lint ## say whether code is tidy and notebooks are built
	@$(PYTHON) -m notebooks.source.build --check

lint: .venv/.ready ## look for mistakes, wrong types and untidy code
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

format: .venv/.ready ## tidy the code
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

address: .venv/.ready ## move the course: badges, README, first cells (REPO=owner/name BRANCH=main)
	@$(PYTHON) -m notebooks.source.build --address "$${REPO:-}" "$${BRANCH:-main}"

release-check: .venv/.ready ## run the published lessons on the real Colab, with your account there
	@$(PYTHON) -m tests.system.release_check

worlds: .venv/.ready ## build the archives of the built-in data sets anew
	@$(PYTHON) -m worlds

backbone: .venv/.ready ## train the bundled backbone anew
	@$(PYTHON) -m worlds.backbone

fuzz: .venv/.ready ## give odd arguments and damaged files (EXAMPLES=200: of each kind)
	@COURSEKIT_EXAMPLES=$${EXAMPLES:-200} $(PYTEST) tests/test_public.py tests/test_damaged_files.py

lines: .venv/.ready ## count the lines of each room beside its budget
	@$(PYTHON) -m tests.budgets

clean: ## remove the environment and everything that can be made again
	@rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find coursekit notebooks tests worlds -name __pycache__ -prune -exec rm -rf {} +

# Everything needed, once: done again when pyproject.toml changes. A set-up that was cut off leaves
# no .ready, and the next one begins afresh. pip tells of the large downloads only; JupyterLab does
# not ask a newcomer for leave to show news.
.venv/.ready: pyproject.toml
	@case "$${TORCH:-}" in ""|cpu) ;; *) echo "TORCH may be cpu, or left out." >&2; exit 1;; esac; \
	for name in python3 python3.14 python3.13 python3.12 python3.11 python ""; do \
	    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break; \
	done; \
	if [ -z "$$name" ]; then \
	    echo "There is no Python 3.11 or newer here; install one from python.org." >&2; exit 1; \
	fi; \
	if ! "$$name" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$name lacks venv; on Debian or Ubuntu: sudo apt install python3-venv." >&2; exit 1; \
	fi; \
	if [ ! -e .venv/.ready ]; then \
	    case "$${TORCH:-}$$(uname -s)" in \
	    cpu*) echo "Setting up .venv with the CPU build of torch: about 1 GB on disk.";; \
	    Linux) echo "Setting up .venv: about 6 GB on disk, for pip brings torch with CUDA."; \
	        echo "Without an NVIDIA GPU, stop this (Ctrl-C) and add TORCH=cpu: about 1 GB.";; \
	    *) echo "Setting up .venv: about 1 GB on disk.";; \
	    esac; \
	    "$$name" -m venv --clear .venv || exit 1; \
	fi; \
	rm -f .venv/.ready; \
	install() { \
	    rm -f .venv/.done; \
	    { $(PYTHON) -m pip install --disable-pip-version-check "$$@" && touch .venv/.done; } \
	        | sed -n -e '/Downloading .* [MG]B)/p' -e 's/^Installing collected.*/Installing .../p'; \
	    [ -e .venv/.done ] && return; \
	    echo "The set-up is not finished; the lines above say why. Run the same again:" >&2; \
	    echo "what was downloaded already is kept." >&2; \
	    exit 1; \
	}; \
	if [ "$${TORCH:-}" = cpu ]; then \
	    install --index-url https://download.pytorch.org/whl/cpu torch torchvision; \
	fi; \
	install -e '.[lab,dev]'; \
	$(PYTHON) -m jupyter labextension disable @jupyterlab/apputils-extension:announcements \
	    >/dev/null 2>&1 || :; \
	touch .venv/.ready; \
	echo "Ready."
