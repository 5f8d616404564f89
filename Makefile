# Everything a person does here, one line each. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# one run at a time in a folder; a lock of the kernel's own, so that none is left behind by a kill
REPRODUCE = @mkdir -p runs && flock --nonblock --conflict-exit-code 75 runs/lock \
  $(BIN)/snakemake --nolock --cores all --quiet all --rerun-incomplete --config profile=$(1) \
  || { test $$? -eq 75 && echo "Another make quick or make full is at work in this folder." \
  || echo "Not finished. What is done is kept: the same command goes on. Snakemake's log: .snakemake/log"; exit 1; }

# a process for each core, but no more than four: each may load a model
WORKERS := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup quick full site browser test test-slow lab bench lint notebooks scrub lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv with the locked packages and the embedded model

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "Python has no venv here: apt-get install python3-venv, then again"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements-nodeps.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m slmlib.models.registry smollm2-135m-instruct
	@touch $@

quick: $(READY) ## the main job: data, a real model and the controls, analysis, site; then the comparison
	$(call REPRODUCE,quick)
	@$(BIN)/python -m slmlib.pipeline.summary quick

full: $(READY) ## remake everything that is published, from data/runs.yaml
	$(call REPRODUCE,full)
	@$(BIN)/python -m slmlib.pipeline.summary full

site: $(READY) ## website and paper into _site/, with Quarto where it is installed
	@$(BIN)/python -m slmlib.pipeline.preview

# the pages are tested in it; where it cannot be had, those tests are skipped and say why
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit; done; test "$$(id -u)" -ne 0 \
	  || timeout 300 sh -c "apt-get update -qq && apt-get install -qq -y chromium" || echo "no Chromium: tests in a browser are skipped"

test: $(READY) browser ## the tests, in minutes
	$(BIN)/python -m pytest $(WORKERS)

test-slow: $(READY) ## the exhaustive proofs too
	$(BIN)/python -m pytest -m slow

lab: $(READY) ## JupyterLab with this environment
	$(BIN)/jupyter lab notebooks

bench: $(READY) ## speed and memory, measured and printed
	@for script in tests/performance/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

lint: $(READY) ## style of code and notebooks
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

notebooks: $(READY) ## run the notebooks with their defaults and keep the outputs, scrubbed
	TQDM_DISABLE=1 $(BIN)/jupyter nbconvert --to notebook --execute --inplace notebooks/*.ipynb
	@$(MAKE) --no-print-directory scrub

scrub: $(READY) ## strip execution metadata from the notebooks, keep their outputs
	@$(BIN)/nbstripout --keep-output --extra-keys "metadata.papermill metadata.widgets cell.metadata.papermill cell.metadata.execution" notebooks/*.ipynb

# CUDA's packages come with torch where it needs them; xgrammar asks for Triton too, a gigabyte for nothing on a CPU
lock: $(READY) ## pin the newest packages that pyproject.toml allows
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade \
	  --extra dev --no-header --no-annotate -q -o requirements.lock
	sed -i -E '/^(nvidia-[^m]|cuda-|triton)/d' requirements.lock
	grep '^xgrammar' requirements.lock > requirements-nodeps.lock
	sed -i '/^xgrammar/d' requirements.lock

clean: ## forget executed runs and the built site; published results stay
	rm -rf runs _site .snakemake
