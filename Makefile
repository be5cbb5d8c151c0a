# Each target installs what it needs and calls one command.
PYTHON ?= python3
# To use other folders: make VENV=/some/folder STATE=/another run
VENV := .venv
STATE := .aws_orders
BIN := $(VENV)/bin
INSTALL := $(PYTHON) install.py
PINNED := --constraint constraints.txt --editable
LOCKED := constraints.txt
LOCK = "$(BIN)/uv" pip compile --quiet --universal --python-version 3.11.0 --all-extras \
  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'

# If it is set, each process compiles all modules that it imports, which costs 6 CPU seconds a run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run dev test test-install check soak bench lint types audit format docs lock platforms reset \
  clean local tools
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# exec: a signal to make must reach aws-orders, which stops what it started.
run: local ## Start the laptop's AWS, materialize the six assets, print the result
	@exec "$(BIN)/aws-orders" run --state "$(STATE)"

dev: local ## Serve Dagster's web UI on http://127.0.0.1:3000 until Ctrl-C
	@exec "$(BIN)/aws-orders" dev --state "$(STATE)"

# Each worker has its own laptop's AWS and waits for it at times: one more than cores, at most four.
# Slow files start first (see conftest.py).
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PYTEST = "$(BIN)/pytest" --numprocesses $(shell expr $(CORES) + 1) --maxprocesses 4 \
  --dist loadfile --no-loadscope-reorder --ignore aws_orders_tests/install

test: tools ## Run the tests (some minutes)
	@$(PYTEST)

test-install: tools ## Test the installation by any user into any folder; uses the network
	@"$(BIN)/pytest" aws_orders_tests/install

check: tools ## Run the quick tests (about a minute)
	@$(PYTEST) -m 'not slow' --hypothesis-profile check

soak: tools ## Test with random input (hours)
	@$(PYTEST) -m hypothesis --hypothesis-profile soak

bench: tools ## Measure, and print the results as a table
	@"$(BIN)/python" -m benchmarks

lint: tools ## Check style and format (ruff), and which module imports which (import-linter)
	@"$(BIN)/ruff" check . && "$(BIN)/ruff" format --check .
	@"$(BIN)/lint-imports" --no-cache

types: tools ## Check types (mypy, strict)
	@"$(BIN)/mypy"

# checkov pins packages that the platform uses, so it has a separate environment.
audit: ## Check deploy/ and the Dockerfile with checkov, in its own environment
	@$(INSTALL) "$(VENV)-checkov" checkov==3.3.30
	@"$(VENV)-checkov/bin/checkov" --directory deploy --framework cloudformation --compact --quiet \
	  --skip-download
	@"$(VENV)-checkov/bin/checkov" --file Dockerfile --framework dockerfile --compact --quiet \
	  --skip-download

format: tools ## Fix and format the code (ruff)
	@"$(BIN)/ruff" check --fix . && "$(BIN)/ruff" format .

CONFIGURATION := docs/configuration.md
docs: tools ## Update the table of environment variables in docs/configuration.md
	@table=$$("$(BIN)/python" -m aws_orders.config) && sed -i.old '/^|/d' $(CONFIGURATION) \
	  && rm $(CONFIGURATION).old && printf '%s\n' "$$table" >> $(CONFIGURATION)

lock: tools ## Update constraints.txt to pyproject.toml (newest releases: make lock NEW=--upgrade)
	@$(LOCK) $(NEW) --output-file $(LOCKED) pyproject.toml

platforms: tools ## Check that all packages can be installed on Linux and macOS, with each Python
	@PATH="$(abspath $(BIN)):$$PATH" .ci/platforms

reset: local ## Delete what runs have stored in .aws_orders/
	@"$(BIN)/aws-orders" reset --state "$(STATE)"

clean: ## Remove the virtual environments
	rm -rf "$(VENV)" "$(VENV)-checkov"

local: # Install what the platform and the laptop's AWS need
	@$(INSTALL) "$(VENV)" $(PINNED) '.[local]'

tools: ## Install the development tools too: tests, linters, Dagster's dg
	@$(INSTALL) "$(VENV)" $(PINNED) '.[local,deploy,dev,ui]'
