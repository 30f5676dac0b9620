# One command for everything a person does here; `make help` lists them.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
PROFILE ?= $(shell $(BIN)/python -c 'from harness.config import default_profile; print(default_profile())')
STORE   ?= runs
DATA    ?= data

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types contracts format bench data clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv and install everything, pinned
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

demo: install ## see the method work on scikit-learn's digits
	$(BIN)/python harness/run.py with dataset=digits profile=smoke seed=0

test: install lint types contracts ## everything CI checks: lint, types, contracts, tests
	$(BIN)/python -m pytest

lint: install ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## mypy
	$(BIN)/mypy

contracts: install ## import-linter: tables -> harness -> baselines -> conas
	$(BIN)/lint-imports

format: install ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

data: install ## download and verify the data sets into DATA
	$(BIN)/python -m harness.data fetch --data-dir $(DATA)

clean: ## remove what the tools left behind, not the runs
	rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
