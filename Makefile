# One truth for people and for CI. `make demo` and `make test` set up what they need.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
DEMO ?= edgekit-demo

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

# A Python that is named (make PYTHON=python3.12) is used; else any supported one will do.
SETUP := $(PYTHON) tools/bootstrap --venv "$(VENV)" $(if $(filter file,$(origin PYTHON)),,--this-python)
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo test check unit integration golden bench lock dist clean

help: ## Show what there is to make
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	  awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: ## Set up the environment and the programs; nothing to do if they are there
	@$(SETUP)

demo: setup ## Train a small model and deploy it to an emulated board
	@$(BIN)/python -m edgekit demo -o "$(DEMO)"

test: check ## Check and test everything, as CI does
	@$(PYTEST) -n $(JOBS)

check: setup ## Check format, style and types
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary

unit: setup ## Run the unit tests alone
	@$(PYTEST) -n $(JOBS) tests/unit

integration: setup ## Run the tests with the real tools alone
	@$(PYTEST) -n $(JOBS) tests/integration

golden: setup ## Rewrite the expected projects; review the difference
	@EDGEKIT_UPDATE_GOLDEN=1 $(PYTEST) tests/golden
	@git --no-pager diff --stat -- tests/golden

bench: setup ## Print the benchmarks
	@$(BIN)/python tools/bench.py

lock: setup ## Write requirements.lock anew; UPGRADE=1 takes the newest versions
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" \
	  --prerelease if-necessary-or-explicit $(if $(UPGRADE),--upgrade) \
	  --all-extras --group dev pyproject.toml --output-file requirements.lock

dist: setup ## Make the wheel and the source archive in dist/
	@$(BIN)/python -m hatchling build

clean: ## Remove what was made, but for the environment
	@rm -rf build dist "$(DEMO)" .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find edgekit tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
