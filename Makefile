# Thin: each target sets up what it needs and calls the real command.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help run dev test check soak bench lint types audit format reset clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(READY) ## Start the laptop's AWS, materialize the six assets, show the result
	@$(BIN)/aws-orders run

dev: $(READY) ## Serve Dagster's web UI on http://127.0.0.1:3000 until Ctrl-C
	@$(BIN)/aws-orders dev

# One worker a core, each with a laptop's AWS of its own; slow files begin (see conftest.py).
PYTEST = $(BIN)/pytest --numprocesses auto --maxprocesses 4 \
  --dist loadfile --no-loadscope-reorder

test: $(READY) ## Run the tests (some minutes)
	@$(PYTEST)

check: $(READY) ## Run the tests that are quick (a minute)
	@$(PYTEST) -m 'not slow' --hypothesis-profile check

soak: $(READY) ## Search for faults at length (hours)
	@$(PYTEST) -m hypothesis --hypothesis-profile soak

bench: $(READY) ## Measure, and print the figures as a table
	@$(BIN)/python -m benchmarks

lint: $(READY) ## Check style and format (ruff)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY) ## Check types (mypy, strict)
	@$(BIN)/mypy

audit: ## Check deploy/ with checkov, in an environment of its own: it pins what we use
	@test -x $(VENV)-checkov/bin/checkov || { $(PYTHON) -m venv $(VENV)-checkov \
	  && $(VENV)-checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30; }
	@$(VENV)-checkov/bin/checkov --directory deploy --framework cloudformation --compact --quiet \
	  --skip-download
	@$(VENV)-checkov/bin/checkov --file Dockerfile --framework dockerfile --compact --quiet \
	  --skip-download

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

reset: $(READY) ## Forget what runs have kept under .aws_orders/
	@$(BIN)/aws-orders reset

clean: ## Remove the virtual environments
	rm -rf $(VENV) $(VENV)-checkov

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'aws_orders needs Python 3.11 or newer; name one: make PYTHON=python3.12 …'; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo 'Python lacks its venv module; on Debian: apt-get install python3-venv'; exit 1; }
	@echo 'Setting up $(VENV), a minute or so the first time …'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[local,deploy,dev]'
	@touch $@
