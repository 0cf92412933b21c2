# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint lock wheel lab clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ufo-rl needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

demo: $(VENV)/.installed  ## The five-minute tour: four arms on the embedded lab, scored, trained, compared
	$(BIN)/ufo-rl -cd sweeps -cn demo

test: $(VENV)/.installed  ## All tests, under 10 minutes on 2 cores; UFO_RL_DATA=FOLDER adds those on real data
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

lint: $(VENV)/.installed  ## Style and types: what pre-commit and .ci/run check
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python ufo_rl

lab: $(VENV)/.installed  ## Measure the embedded lab: pass rates, rank correlation, gain of GRPO in 3 seeds
	$(BIN)/python bench/lab.py

lock:  ## Write requirements.lock anew from pyproject.toml
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --editable '.[dev]' 'transformers==5.19.*'
	.venv-lock/bin/pip freeze --exclude-editable | sed 's/ @ .*//; s/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

wheel: $(VENV)/.installed  ## Build dist/ufo_rl-*.whl
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## Remove what make made; results in outputs/ stay
	rm -rf $(VENV) .venv-lock dist build .pytest_cache .ruff_cache .hypothesis
