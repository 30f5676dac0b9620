# One command for everything a person does here; `make help` lists them.
PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
PROFILE ?= $(shell $(BIN)/python -c 'from harness.config.load import default_profile; print(default_profile())')
STORE   ?= runs
DATA    ?= data
# no shell sees a ~ between quotes
override STORE := $(patsubst ~/%,$(HOME)/%,$(STORE))
override DATA  := $(patsubst ~/%,$(HOME)/%,$(DATA))
# an address may hold a password: it goes through the environment, which other users cannot see, and is not echoed
ifneq ($(filter mongodb://% mongodb+srv://%,$(STORE)),)
export CONAS_MONGO_URL := $(STORE)
override STORE := CONAS_MONGO_URL
endif
# SUBSET=1 accepts data that are not the complete sets
SETTINGS = $(if $(SUBSET),--set allow_subset=true --set "data_dir=$(DATA)")

# threads that spin while they wait stall a shared machine
export OMP_WAIT_POLICY ?= PASSIVE
# on a machine that does nothing else they are quicker, and so is memory in huge pages that is never given back
ALONE := OMP_WAIT_POLICY=ACTIVE GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=34359738368:glibc.malloc.mmap_threshold=33554432

.DEFAULT_GOAL := help
.PHONY: help install lock demo test test-oldest test-python test-slow torture fuzz lint types contracts format bench data replicate tables missing scorecard report curves \
        laptop-replication laptop-pages docs recovery spectrum prediction ranking scaling race race-cnn gpu-check gpu-compile paper-search paper-search-cpu sync dashboard clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-18s %s\n", $$1, $$2}'

# the checkout itself goes on Python's path, not only the library in it
IN_PLACE := --config-settings editable_mode=compat

# CPU=1, remembered in .venv: torch from the index where PyTorch keeps its CPU builds, 1.9 GB in all in place of 6.0 with CUDA
CPU       ?= $(wildcard $(VENV)/.cpu)
TORCH_CPU ?= https://download.pytorch.org/whl/cpu
TORCH     ?= $(shell grep -oE '^(torch|torchvision)==[^ ]+' requirements.lock)
LOCKED    := awk '/^[a-z]/ { kept = $(if $(CPU),!/^(torch|torchvision|triton|nvidia-|cuda-)/,1) } kept' requirements.lock
PIP       := $(BIN)/python -m pip install --quiet --no-deps

install: $(STAMP) ## create .venv and install everything: the very files that requirements.lock names (CPU=1: torch without CUDA)
$(STAMP): pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# what is installed already is not asked for again: a node without a network needs none after a checkout
	cat $^ | cmp -s - $(VENV)/.asked || { \
		$(LOCKED) > $(VENV)/.locked && $(PIP) --require-hashes -r $(VENV)/.locked && \
		$(if $(CPU),$(PIP) --index-url $(TORCH_CPU) $(TORCH) && touch $(VENV)/.cpu &&) \
		$(PIP) --no-build-isolation -e . $(IN_PLACE) && cat $^ > $(VENV)/.asked; }
	touch $@

LOCKER := .venv-lock
UV     := $(LOCKER)/bin/uv
ASSETS := harness/dashboard/assets
lock: ## versions and hashes of everything that is installed, for pyproject.toml as it is now (UPGRADE=1: the newest versions)
	test -x $(UV) || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/python -m pip install --quiet uv==0.13.9; }
	$(UV) lock --quiet $(if $(UPGRADE),--upgrade)
	$(UV) export --quiet --frozen --extra dev --no-emit-project --no-annotate --output-file requirements.lock >/dev/null
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' \
		$(if $(UPGRADE),--upgrade) $(ASSETS)/server.in --output-file $(ASSETS)/server.lock
	cd $(ASSETS) && npm $(if $(UPGRADE),update,install) --package-lock-only --no-audit --no-fund

demo: install ## see the method work on scikit-learn's digits, and the row of Table 1 that it fills
	$(BIN)/python harness/run.py with dataset=digits profile=smoke seed=0
	@$(BIN)/python -m tables tables --profile smoke >/dev/null
	@echo; echo "scikit-learn's digits here, CIFAR-10 in the paper:"; grep -e 'Test error' -e '^| CoNAS (t=1) ' results/smoke/table1.md

test: install lint types contracts ## everything CI checks: lint, types, contracts, tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m 'not slow'

OLDEST := .venv-oldest
test-oldest: ## the tests that compute, under the oldest torch that is allowed (PIP_EXTRA_INDEX_URL may name one of small CPU builds)
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet 'torch==2.6.*' 'torchvision==0.21.*' -e '.[replication]' $(IN_PLACE) pytest pytest-timeout pytest-xdist hypothesis
	$(OLDEST)/bin/python -m pytest -m 'not slow' tests/conas tests/baselines tests/harness/data tests/harness/training

OTHER = .venv-$(notdir $(PYTHON))
test-python: ## the same under another Python (PYTHON=python3.13)
	test -x $(OTHER)/bin/python || $(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	$(OTHER)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . $(IN_PLACE)
	$(OTHER)/bin/python -m pytest -m 'not slow' tests/conas tests/baselines tests/harness/data tests/harness/training

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

test-slow: install ## the tests that take minutes: browser, kills by the hundred
	$(BIN)/python -m pytest -m slow

torture: install ## kill a run at 200 random moments and compare the bits
	CONAS_KILLS=200 $(BIN)/python -m pytest --timeout=7200 tests/harness/test_life.py -k random_moments

fuzz: install ## damage the files of a store and the lines of a packed file in 2,000 ways each
	CONAS_FUZZ=2000 $(BIN)/python -m pytest --timeout=7200 tests/harness/test_fuzz.py

bench: install ## the benchmarks, which want the machine for themselves: ratios against plain versions
	for name in cnn rnn; do $(ALONE) $(BIN)/python tests/performance/bench_$$name.py || exit 1; done
	for name in augment search store tables; do $(BIN)/python tests/performance/bench_$$name.py || exit 1; done

data: install ## download and verify the data sets into DATA
	$(BIN)/python -m harness.data fetch --data-dir "$(DATA)"

# runs may fail, with status 1: the tables show the gaps; `make -n` runs every line that calls make, so none here does
replicate: install ## run what the tables of PROFILE need (TABLE=1: one of them; PER_DEVICE=N runs share a GPU), skipping what is done, then build them
	$(BIN)/python harness/sweep.py $(if $(TABLE),table$(TABLE),all) --profile $(PROFILE) --store "$(STORE)" \
		--data-dir "$(DATA)" $(if $(PER_DEVICE),--per-device $(PER_DEVICE)) $(if $(SUBSET),--set allow_subset=true); \
	status=$$?; [ $$status -gt 1 ] || $(WRITE_TABLES); exit $$status

WRITE_TABLES = $(BIN)/python -m tables tables --profile $(PROFILE) --store "$(STORE)" $(SETTINGS)
tables: install ## the paper's tables and figures from the runs of PROFILE, beside the paper's numbers
	$(WRITE_TABLES)

missing scorecard report: install
	$(BIN)/python -m tables $@ --profile $(PROFILE) --store "$(STORE)" $(SETTINGS)$(if $(SUBSET),, --set "data_dir=$(DATA)")
missing: ## the runs that the tables of PROFILE still need, with commands and device-days
scorecard: ## every claim of the paper with a number or a comparison, tested
report: ## one self-contained HTML page of everything

curves: install ## loss, error and perplexity over the epochs of the runs in STORE (RUNS='digits-conas-* ...': of some; TENSORBOARD=folder)
	$(BIN)/python -m harness.curves $(foreach run,$(RUNS),"$(run)") --store "$(STORE)" $(if $(TENSORBOARD),--tensorboard "$(TENSORBOARD)")

KEPT := docs/laptop-replication
PAGES = for what in tables scorecard; do \
	$(BIN)/python -m tables $$what --profile laptop $(SETTINGS) --store $(KEPT)/runs.jsonl --out $(KEPT) || exit 1; done
laptop-replication: install ## pack the laptop records of STORE into docs/laptop-replication/ and rebuild everything from them
	$(BIN)/python -m harness.archive pack all --profile laptop $(SETTINGS) --store "$(STORE)" $(KEPT)/runs.jsonl
	$(PAGES)

laptop-pages: SUBSET := 1
laptop-pages: install ## rebuild docs/laptop-replication/ from the records that are published there
	$(PAGES)

docs: install ## the documentation as a site, in results/site
	$(BIN)/python -m tables.compared > docs/compared.md
	$(BIN)/python -m tables.prices > docs/prices.md
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs results/site

recovery: install ## Theorem 3.2 in practice: the probability of exact recovery against m
	$(BIN)/python -m harness.studies.recovery

spectrum: install ## the true Fourier spectrum of a small one-shot model, by measuring all its sub-networks
	$(BIN)/python -m harness.studies.spectrum --store "$(STORE)"

prediction: install ## how well a polynomial predicts sub-networks that it has not seen (laptop size, CIFAR-10 in DATA)
	$(BIN)/python -m harness.studies.prediction --store "$(STORE)" --data-dir "$(DATA)" $(if $(SUBSET),--allow-subset)

ranking: install ## Kendall's tau of one-shot against stand-alone losses (laptop size, CIFAR-10 in DATA)
	$(BIN)/python -m harness.studies.ranking --store "$(STORE)" --data-dir "$(DATA)" $(if $(SUBSET),--allow-subset)

scaling: install ## what a longer training, a larger model and more images change (MINUTES=60; goes on where it stopped; CIFAR-10 in DATA)
	$(BIN)/python -m harness.studies.scaling --store "$(STORE)" --data-dir "$(DATA)" --alone $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SUBSET),--allow-subset)

race: install ## every search on tables known whole, 200 seeds (TABLES=folder of the tables); stops after MINUTES=28 and goes on from there
	$(BIN)/python -m harness.studies.race --tables "$(TABLES)" --minutes $(or $(MINUTES),28)

race-cnn: install ## searches on a real one-shot CNN (laptop size, CIFAR-10 in DATA; SEARCHES=20 of each; MINUTES=10: a part); goes on where it stopped
	$(BIN)/python -m harness.studies.race_cnn --store "$(STORE)" --data-dir "$(DATA)" $(if $(SUBSET),--allow-subset) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEARCHES),--searches $(SEARCHES))

gpu-check: install ## on a CUDA device: are its numbers right, do its bits repeat, how long does the paper take; no data needed
	$(BIN)/python -m harness.studies.gpu --data-dir "$(DATA)"

gpu-compile: install ## the kernels compiled for an A100 and an H100 without one: registers, spills, shared memory
	$(BIN)/python -m harness.studies.gpu_compile

PAPER_SEARCH = $(BIN)/python -m harness.studies.paper_search --store "$(STORE)" --data-dir "$(DATA)" $(if $(PACKED),--packed "$(PACKED)") \
	$(if $(SUBSET),--allow-subset) $(if $(SEED),--seed $(SEED)) $(if $(METHOD),--method $(METHOD)) $(if $(MINUTES),--minutes $(MINUTES)) \
	$(if $(PIECES),--pieces "$(PIECES)")
paper-search: install ## the paper's CIFAR-10 search on a CUDA device (SEED=1, METHOD=hill_climbing, MINUTES=5, PIECES=FOLDER, PACKED=FILE); continues where it stopped
	$(PAPER_SEARCH) --device cuda

paper-search-cpu: install ## the same on the CPU
	$(ALONE) $(PAPER_SEARCH) --device cpu

sync: install ## bring the MongoDB at CONAS_MONGO_URL up to date with the files
	$(BIN)/python -m harness.sync --store "$(STORE)"

sync dashboard: export CONAS_MONGO_URL := $(or $(MONGO_URL),$(CONAS_MONGO_URL))
dashboard: install ## browse the runs in Omniboard (CONAS_MONGO_URL=...: in a MongoDB that is there)
	$(BIN)/python -m harness.dashboard --store "$(STORE)"

clean: ## remove what the tools left behind, not the runs
	rm -rf build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
