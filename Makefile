# Two commands matter: `make demo` and `make test`. Each does all its own set-up.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

# Every process that is started would compile all of erp_sync anew, and there are hundreds of them in the tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint up down bench chaos chaos-sim mutants

$(VENV)/.run: requirements/run.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	touch $@

demo: $(VENV)/.run  ## a retailer's day, played in about three minutes, with a report after six at most
	$(BIN)/erp-sync demo

test: $(VENV)/.dev  ## every test; a skipped one fails
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev  ## style, types, layers
	$(BIN)/ruff check erp_sync erp_sync_tests
	$(BIN)/ruff format --check erp_sync erp_sync_tests
	$(BIN)/mypy
	$(BIN)/lint-imports

up: $(VENV)/.run  ## everything running, for browsing
	$(BIN)/erp-sync up

down: $(VENV)/.run
	$(BIN)/erp-sync down

bench: $(VENV)/.dev  ## make bench NAME=orders; without NAME lists them
	$(BIN)/python -m erp_sync_tests.bench $(NAME)

# Memory in huge pages, where glibc knows the word: a seed takes a fifteenth less.
chaos-sim: $(VENV)/.dev  ## make chaos-sim SEEDS=2000; also FIRST_SEED=, ROUTE=, MUTANT=
	GLIBC_TUNABLES=glibc.malloc.hugetlb=1 SEEDS=$(SEEDS) FIRST_SEED=$(FIRST_SEED) ROUTE=$(ROUTE) MUTANT=$(MUTANT) $(BIN)/python -m erp_sync_tests.chaos

chaos: $(VENV)/.dev  ## real processes, killed: make chaos SEEDS=20; also FIRST_SEED=, ROUTE=, MUTANT=
	SEEDS=$(SEEDS) FIRST_SEED=$(FIRST_SEED) ROUTE=$(ROUTE) MUTANT=$(MUTANT) $(BIN)/python -m erp_sync_tests.chaos.processes

mutants: $(VENV)/.dev  ## every built-in defect, and the seed that catches it
	$(BIN)/python -m erp_sync_tests.chaos mutants
