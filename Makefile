# Every target sets itself up: `make backtest` on a machine with Python 3.11 and make is enough.

# python3.11 where it runs (a version manager's stub may be there and not run), else python3.
PYTHON ?= $(shell python3.11 -c 'print("python3.11")' 2>/dev/null || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install backtest test test-fast test-shuffled test-faults lint types bench docs site release clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS passes flags on: make backtest ARGS="--symbols AAPL,MSFT"'

install: $(STAMP)  ## create .venv with the pinned dependencies

backtest: $(STAMP)  ## run the backtest; without flags on bundled sample data, offline
	$(BIN)/python -m engine.backtest $(ARGS)

# One thread per process: torch's own threads make these small networks many times slower.
# One file stays on one worker, so that what a file shares is built once. Compiled Python is kept, whatever the environment
# says: else each process that a test starts compiles everything anew.
test: $(STAMP)  ## run the tests
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --no-header -n 2 --dist loadfile $(ARGS)

test-fast: $(STAMP)  ## run the quick tests only: no whole backtest, audit, daemon or cluster
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --no-header -q -m 'not slow' --hypothesis-profile fast $(ARGS)

test-shuffled: $(STAMP)  ## run the tests with their folders in another order; SEED=3 repeats one
	OMP_NUM_THREADS=1 $(BIN)/python tests/shuffled.py $(SEED) $(ARGS)

test-faults: $(STAMP)  ## run the fault matrix of paper trading; it takes long
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --no-header -q -n 2 --dist loadfile -m 'faults or row' tests/faults tests/broker tests/engine/live $(ARGS)

lint: $(STAMP)  ## check style, formatting and who imports whom
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)  ## check types
	$(BIN)/python -m mypy

bench: $(STAMP)  ## measure speed
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(STAMP)  ## measure other libraries beside it; makes .venv-peers (2 GB)
	test -x $(VENV)-peers/bin/python || { $(PYTHON) -m venv $(VENV)-peers && $(VENV)-peers/bin/python -m pip install -qq torch==2.13.0; }
	$(VENV)-peers/bin/python -m pip install -qq -r benchmarks/peers.txt
	$(BIN)/python -m benchmarks peers sweep $(ARGS)

docs: $(STAMP)  ## write docs/settings.md and the clients of the API
	$(BIN)/python docs/make_settings.py
	$(BIN)/python docs/make_clients.py

site: $(STAMP)  ## build the documentation site into site/
	test -x $(BIN)/zensical || $(PIP) install -qq -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/make_site.py

release: $(STAMP)  ## build and check what a release is made of, into dist/; ARGS=--dry-run from any checkout
	$(BIN)/python deploy/release.py $(ARGS)

clean:  ## remove build products and caches; never runs/ or .venv
	rm -rf build dist site .cache *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name $(VENV) -prune -o -name runs -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and alone: pip then takes a CPU build where one is at hand, and the second step
# finds torch already there. In one step with a range it could pull gigabytes of CUDA packages.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Forewalk needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 || true)"; \
	  echo "Install it, or name it: make PYTHON=/path/to/python3.11"; exit 1; } >&2
	@echo "Installing into $(VENV); the first time takes a few minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -qq torch==2.13.0 -c constraints.txt
	$(PIP) install -qq -c constraints.txt -e '.[dev]'
	@touch $@
