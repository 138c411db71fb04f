# All commands for developers. `make` alone lists the targets.
# Written for GNU make 3.81 (macOS) and later. Uses uv if it is on the PATH, else venv and pip.

SHELL := /bin/sh
.DEFAULT_GOAL := help

ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null)

# PYTHON=/path/to/python3.12 chooses the interpreter. The default is the first of these that is new enough.
FITS := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$p" -c '$(FITS)' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "  Options go in ARGS: make up ARGS='--port 9000', make test ARGS='-k window'"

.PHONY: install
install: $(STAMP) ## create .venv from requirements.lock, once

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || \
		{ echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || \
		{ echo "$(PYTHON) is older than Python 3.11, or cannot be run. Name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
ifneq ($(UV),)
	@test -x $(BIN)/python || "$(UV)" venv -q --python "$(PYTHON)" $(VENV)
	@"$(UV)" pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@"$(UV)" pip install -q --python $(BIN)/python --no-deps -e .
else
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv or ensurepip. On Debian and Ubuntu: apt-get install python3-venv. Or install uv." >&2; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps -e .
endif
	@touch $@

.PHONY: up
up: $(STAMP) ## start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/dispatcher up $(ARGS)

.PHONY: demo
demo: $(STAMP) ## send a few hundred messages through a temporary stack
	@exec $(BIN)/dispatcher demo $(ARGS)

.PHONY: test
test: $(STAMP) ## run the tests
	@exec $(BIN)/pytest -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: $(STAMP) ## run the tests that start whole stacks
	@$(BIN)/pytest -m "slow and alone" -n0 $(ARGS)
	@exec $(BIN)/pytest -m "slow and not alone" $(ARGS)

.PHONY: bench
bench: $(STAMP) ## measure against the typical design; takes some minutes, on a quiet machine
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: bench-quick
bench-quick: $(STAMP) ## the same with few messages, one round; writes nothing
	@exec $(BIN)/python -m bench --quick $(ARGS)

.PHONY: bench-campaign
bench-campaign: $(STAMP) ## measure a campaign of a million recipients; ARGS="--recipients 20000" for a quick run
	@exec $(BIN)/python -m bench.campaign $(ARGS)

.PHONY: bench-attacks
bench-attacks: $(STAMP) ## attack the API while a good client sends; prints what the client saw
	@exec $(BIN)/python -m bench.attacks $(ARGS)

.PHONY: faults
faults: $(STAMP) ## strike faults at a stack under load, and audit it; ARGS="--seed 7 --minutes 10"
	@exec $(BIN)/python -m faults $(ARGS)

.PHONY: plant-bugs
plant-bugs: $(STAMP) ## break each rule in a copy of the tree, and see its tests fail; ARGS="--only NAME"
	@exec $(BIN)/python scripts/plant_bugs.py $(ARGS)

.PHONY: fuzz
fuzz: $(STAMP) ## feed the parsers and all OpenAPI documents with much more than the tests do; ARGS="--requests 100000"
	@exec $(BIN)/python scripts/fuzz.py $(ARGS)

.PHONY: check
check: $(STAMP) ## check formatting, lint, types, import contracts and the lock
	@$(BIN)/ruff format --check --quiet --output-format concise . || { echo "Some files are not formatted: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/plant_forbidden_imports.py
	@$(BIN)/python -m scripts.check_lock

.PHONY: format
format: $(STAMP) ## format the code and fix what ruff can fix
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: reference
reference: $(STAMP) ## write docs/reference anew from the docstrings
	@$(BIN)/python scripts/write_reference.py

.PHONY: lock
lock: ## regenerate requirements.lock from pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	@test -n "$(UV)" || { echo "make lock needs uv on the PATH: pip install uv" >&2; exit 1; }
	@"$(UV)" pip compile -q --universal --python-version 3.11 --all-extras --generate-hashes --no-strip-extras \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS) pyproject.toml -o requirements.lock

.PHONY: sbom
sbom: $(STAMP) ## write dist/sbom.cdx.json, a bill of materials of requirements.lock (CycloneDX)
	@$(BIN)/python -m scripts.write_sbom $(ARGS)

.PHONY: audit
audit: $(STAMP) ## look requirements.lock up among known vulnerabilities, where a source of advisories can be reached
	@$(BIN)/python -m scripts.audit $(ARGS)

.PHONY: clean
clean: ## remove .venv and all caches; data directories stay
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
