# make demo: set up and run the main job. make test: set up and pass the tests. Both need only Python >= 3.11.
# make gpu-check: measure on a GPU. make pictures RUN=FOLDER: the pictures of README and docs, from a finished run;
# make pictures STUDY=FOLDER: that of five generators, from a finished study.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test fuzz check docs pictures gpu-check setup clean

# Two processes with a thread each: tests are small, and threads that wait for each other would cost more than they give.
# tests/conftest.py says which files come first.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Half an hour and more: archives that no run has tried before, read by the audit, by Python and by torch.
fuzz: setup
	OMP_NUM_THREADS=1 MEDSYNTH_FUZZ_EXAMPLES=200000 $(BIN)/python -m pytest tests/bundle/test_audit_two_readers.py

demo: setup
	$(BIN)/medsynth run --generator sg-cyclegan --classifier lsnet

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# At most ten minutes on a GPU; writes docs/results/gpu.json and gpu.md.
gpu-check: setup
	$(BIN)/python benchmarks/gpu_check.py --out docs/results

# Of the newest run below runs/, or RUN; with the report's first screen where a Chromium is on the PATH.
pictures: setup
	$(BIN)/python benchmarks/pictures.py $(if $(STUDY),--study $(STUDY),$(RUN))

# Into site/latest, and into a folder called like this version; those of other versions stay.
docs: setup
	$(BIN)/python -m pip install -q -c constraints.txt --group docs
	$(BIN)/zensical build --strict --clean
	$(BIN)/python .ci/site_versions.py site

setup: $(READY)

# Reinstalled whenever the declared dependencies or entry points change.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt --group dev -e .
	touch $(READY)

clean:
	rm -rf $(VENV) site build dist .cache
