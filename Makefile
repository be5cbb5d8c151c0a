# Thin: each target sets up what it needs and calls the real command.
PYTHON ?= python3
# Both may be elsewhere: make VENV=/some/folder STATE=/another run
VENV := .venv
STATE := .aws_orders
BIN := $(VENV)/bin
INSTALL := $(PYTHON) install.py
PINNED := --constraint constraints.txt --editable
LOCKED := constraints.txt
LOCK = "$(BIN)/uv" pip compile --quiet --universal --python-version 3.11.0 --all-extras \
  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'

# Where it is set, every process compiles all that it imports: 6 CPU seconds for each run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run dev test check soak bench lint types audit format docs lock platforms reset \
  clean local tools
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 11

run: local ## Start the laptop's AWS, materialize the six assets, show the result
	@"$(BIN)/aws-orders" run --state "$(STATE)"

dev: local ## Serve Dagster's web UI on http://127.0.0.1:3000 until Ctrl-C
	@"$(BIN)/aws-orders" dev --state "$(STATE)"

# One worker a core, each with a laptop's AWS of its own; slow files begin (see conftest.py).
PYTEST = "$(BIN)/pytest" --numprocesses auto --maxprocesses 4 \
  --dist loadfile --no-loadscope-reorder

test: tools ## Run the tests (some minutes)
	@$(PYTEST)

check: tools ## Run the tests that are quick (a minute)
	@$(PYTEST) -m 'not slow' --hypothesis-profile check

soak: tools ## Search for faults at length (hours)
	@$(PYTEST) -m hypothesis --hypothesis-profile soak

bench: tools ## Measure, and print the figures as a table
	@"$(BIN)/python" -m benchmarks

lint: tools ## Check style and format (ruff), and which module imports which (import-linter)
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check .
	@"$(BIN)/lint-imports" --no-cache

types: tools ## Check types (mypy, strict)
	@"$(BIN)/mypy"

audit: ## Check deploy/ with checkov, in an environment of its own: it pins what we use
	@$(INSTALL) "$(VENV)-checkov" checkov==3.3.30
	@"$(VENV)-checkov/bin/checkov" --directory deploy --framework cloudformation --compact --quiet \
	  --skip-download
	@"$(VENV)-checkov/bin/checkov" --file Dockerfile --framework dockerfile --compact --quiet \
	  --skip-download

format: tools ## Format the code
	@"$(BIN)/ruff" check --fix . && "$(BIN)/ruff" format .

CONFIGURATION := docs/configuration.md
docs: tools ## Update the table of environment variables in docs/configuration.md
	@table=$$("$(BIN)/python" -m aws_orders.config) && sed -i.old '/^|/d' $(CONFIGURATION) \
	  && rm $(CONFIGURATION).old && printf '%s\n' "$$table" >> $(CONFIGURATION)

lock: tools ## Update constraints.txt to pyproject.toml (newest releases: make lock NEW=--upgrade)
	@$(LOCK) $(NEW) --output-file $(LOCKED) pyproject.toml

platforms: tools ## Check that all can be installed on Linux and macOS, with each Python
	@PATH="$(abspath $(BIN)):$$PATH" .ci/platforms

reset: local ## Forget what runs have kept under .aws_orders/
	@"$(BIN)/aws-orders" reset --state "$(STATE)"

clean: ## Remove the virtual environments
	rm -rf "$(VENV)" "$(VENV)-checkov"

local: # What the laptop's AWS and the platform need
	@$(INSTALL) "$(VENV)" $(PINNED) '.[local]'

tools: ## Install what development needs besides: tests, linters, Dagster's dg
	@$(INSTALL) "$(VENV)" $(PINNED) '.[local,deploy,dev,ui]'
