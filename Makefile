# `make` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Tests start many processes: what is compiled is kept for the next, whatever the machine's own setting.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup demo test test-unit test-thorough test-crash soak bench faults check format down clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(INSTALLED)  ## Create .venv and install everything into it

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,celery]'
	@touch $(INSTALLED)

demo: setup  ## Find leads in the sample corpus, from nothing to a table of leads
	$(BIN)/lead-assets demo

# Tests of processes wait more than they compute: three at once keep two cores busy.
test: setup  ## Run the tests, on real servers
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=25

test-unit: setup  ## Run the tests that need no server
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -p no:schemathesis lead_assets_tests/unit

test-thorough: setup  ## Run the tests of any values with many more of them, chosen anew (about 20 minutes)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m hypothesis --hypothesis-profile thorough

test-crash: setup  ## Kill a run at every edge of every transaction, and look what the next one makes of it
	LEAD_ASSETS_TEST_SEEDS=all $(BIN)/pytest lead_assets_tests/process/test_crashes.py

soak: setup  ## A month of 20 campaigns on a played clock, with failing services
	$(BIN)/python -m lead_assets_tests.soak

bench: setup  ## Measure each stage of the graph beside its floors
	$(BIN)/lead-assets up
	$(BIN)/python benchmarks/pipeline.py

faults: setup  ## Write docs/faults.md from the tests
	$(BIN)/python -m lead_assets_tests.faults

check: setup  ## Lint, types, and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

down: setup  ## Stop the embedded servers
	$(BIN)/lead-assets down

clean:  ## Stop the servers and delete all state and the virtual environment
	-$(BIN)/lead-assets down
	rm -rf .lead_assets $(VENV)
