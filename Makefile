# Everything a person does here, one line each. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
LOG := runs/logs/setup.log
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# a step of `make setup`: its name, and the command, whose output goes to the log
STEP = @printf '%-46s' "$(1)"; start=$$(date +%s); \
  if { $(2); } >> $(LOG) 2>&1; then echo "$$(($$(date +%s) - start)) s"; \
  else echo failed; tail -n 15 $(LOG); echo "Log: $(LOG)"; exit 1; fi
# a process for each core, but no more than four: each may load a model
WORKERS := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help setup quick full site browser test test-slow test-install lab bench lint notebooks scrub lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make .venv with the locked packages and the embedded model

$(READY): requirements.lock requirements-nodeps.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
	  || { echo "Python has no venv here. Run: apt-get install python3-venv"; exit 1; }
	@mkdir -p runs/logs && : > $(LOG)
	$(call STEP,a virtual environment in .venv,$(PYTHON) -m venv .venv)
	$(call STEP,the packages of requirements.lock (minutes),$(PIP) -r requirements.lock && $(PIP) --no-deps -r requirements-nodeps.lock)
	$(call STEP,slmlib and the command slmbench,$(PIP) --no-deps --no-build-isolation --editable .)
	$(call STEP,the embedded model,$(BIN)/slmbench model smollm2-135m-instruct)
	@touch $@

quick: $(READY) ## the main job: data, a real model, controls, analysis and site, compared with what is published
	@$(BIN)/slmbench reproduce quick

full: $(READY) ## make everything again that is published, from data/runs.yaml
	@$(BIN)/slmbench reproduce full

site: $(READY) ## website and paper into _site/, with Quarto where it is installed
	@$(BIN)/slmbench site

# the pages are tested in it; where it cannot be installed, those tests are skipped and say why
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit; done; test "$$(id -u)" -ne 0 \
	  || timeout 300 sh -c "apt-get update -qq && apt-get install -qq -y chromium" || echo "no Chromium: tests in a browser are skipped"

test: $(READY) browser ## the tests, in minutes
	$(BIN)/python -m pytest $(WORKERS)

test-slow: $(READY) ## the exhaustive tests only
	$(BIN)/python -m pytest -m slow

test-install: $(READY) ## build the wheel and use it outside of the repository
	$(BIN)/python -m pytest -m slow tests/test_install.py

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

# CUDA's packages come with torch where it needs them; xgrammar asks for Triton too, 1 GB that a CPU does not need
lock: $(READY) ## pin the newest packages that pyproject.toml allows
	$(PIP) -q uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade \
	  --all-extras --no-header --no-annotate -q -o requirements.lock
	sed -i -E '/^(nvidia-[^m]|cuda-|triton)/d' requirements.lock
	grep '^xgrammar' requirements.lock > requirements-nodeps.lock
	sed -i '/^xgrammar/d' requirements.lock

clean: ## remove executed runs and the built site; published results stay
	rm -rf runs _site .snakemake
