# make run | test | check | fuzz | bench | unlock | lock | clean; `run` and `test` do all the set-up themselves.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
CORES ?= all
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SNAKEMAKE := $(BIN)/snakemake --workflow-profile workflow/profiles/default
PYTHON_FILES := mmfit tests benchmarks

COMPILE := $(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml

.PHONY: run test check fuzz bench unlock lock clean

run: $(VENV)/.run
	$(SNAKEMAKE) --cores $(CORES)

# After a kill or a power cut, when Snakemake says that the folder is locked.
unlock: $(VENV)/.run
	$(SNAKEMAKE) --unlock

test: $(VENV)/.test
	$(BIN)/python -m pytest

# Random designs at length: make fuzz DESIGNS=20000 FIRST=1
DESIGNS ?= 20000
FIRST ?= 1
fuzz: $(VENV)/.test
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --designs $(DESIGNS) --first $(FIRST) --jobs 2

check: $(VENV)/.test
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mmfit schema | diff workflow/schemas/analysis.schema.json -

bench: $(VENV)/.run
	$(BIN)/python -m benchmarks.run --heavy --figures
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.intervals --large
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.testing
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.agreement
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.size
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.coverage

# The environment: made once, brought up to date when a lock or the package's settings change.
$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/pip
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
	touch $@

$(VENV)/.test: $(VENV)/.run requirements-test.lock
	$(PIP) install --quiet --require-hashes -r requirements-test.lock
	touch $@

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "mmfit needs Python 3.11 or later: none found on PATH" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Both locks hold the same versions of what they share.
lock: $(VENV)/.run
	$(PIP) install --quiet uv
	$(COMPILE) --group build --extra workflow --output-file requirements.lock
	$(COMPILE) --extra workflow --extra test --constraint requirements.lock \
		--output-file requirements-test.lock

clean:
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	rm -rf .snakemake .pytest_cache .ruff_cache .hypothesis build
