# Every target installs what it needs into .venv at the top. `make help` lists the targets.
# Tests have a worker more than there are processors: the long ones wait a third of their time.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
TESTS ?= tests
WORKERS ?= $(shell expr $$(nproc) + 1)
KEEP ?=

.DEFAULT_GOAL := help
.PHONY: help demo gitops soak test kills quick lint fix generate bench docs clean lock environments

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml container/pyproject.toml locks/dev.txt examples/digits/requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r locks/uv.txt
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r locks/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r examples/digits/requirements.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e ./container -e .
	touch $@

environments: $(STAMP)  ## Make the environments that local jobs and tasks run in (torch: some minutes, once)
	$(BIN)/python -m trimtab.local.environments

demo: environments  ## From a folder to an answered prediction, edited, gated and deleted (KEEP=1 leaves it up)
	$(BIN)/python scripts/demo.py $(if $(KEEP),--keep)

gitops: environments  ## The operator's loop from outside: Git, S3, drift, an autoscaler, deletion; to build/gitops.json
	$(BIN)/python scripts/gitops.py

soak: environments  ## `trimtab run` over 200 deployments for a virtual day, with a SIGKILL; to build/soak.json (an hour)
	$(BIN)/python scripts/soak.py

test: environments  ## All tests
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup $(TESTS)

kills: environments  ## SIGKILL of apply, rollback and delete at every write and a tenth of the reads (an hour)
	TRIMTAB_KILLS=all $(BIN)/pytest -q -n $(WORKERS) --dist loadgroup tests/faults/test_kill.py

quick: $(STAMP)  ## The tests without real training
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not slow" $(TESTS)

lint: $(STAMP)  ## Formatting, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate.py --check

fix: $(STAMP)  ## Format, and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: $(STAMP)  ## Write what is generated from the code
	$(BIN)/python scripts/generate.py

bench: environments  ## Counts and ratios of one run, to build/bench.json
	$(BIN)/python -m tests.bench

docs: generate  ## The documentation is Markdown: generating the reference is all there is to build

lock: $(STAMP)  ## Resolve the locks anew (with hashes, naming no registry)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--no-emit-package trimtab-container --extra local --extra operator --extra traces --group dev pyproject.toml -o locks/dev.txt
	$(UV) pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header locks/uv.in -o locks/uv.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		locks/sklearn-training.in -o operator/trimtab/local/locks/sklearn-training.txt

clean:  ## Remove what was built
	rm -rf build $(VENV) .pytest_cache .ruff_cache .import_linter_cache
