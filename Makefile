# Needs GNU make and Python 3.11 or newer. `make PYTHON=/path/to/python3` chooses the interpreter.
PYTHON ?= python3

# What bench-check compares with: by default, all that is not committed yet is measured.
BASE ?= HEAD

# How long test-any-order goes on, and how many mutants mutation makes.
SECONDS ?= 3600
N ?= 300

VENV := .venv
BENCH := .venv-bench
DOCS := .venv-docs
RUN := $(VENV)/.run
DEV := $(VENV)/.dev
COURSE := $(VENV)/.course
PLAYGROUND := $(VENV)/.playground

PIP := -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# hatchling first, at its tested version, because pip would take the newest for an isolated build.
INSTALL = $(@D)/bin/python $(PIP) hatchling && $(@D)/bin/python $(PIP) --no-build-isolation

# Each worker loads numba and SciPy and compiles what the cache lacks: many would cost more than they bring;
# worksteal gives each a run of neighbouring tests, which share kernels.
PYTEST := $(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# The tests of the rooms that kernels are written, run and trained in; the others use them as a user does.
KERNELS := tests/kernels tests/engine tests/modules tests/losses tests/optim tests/training

# What asks the cache of compiled kernels, or lays out machine code of its own, means nothing where all code is there.
NO_CACHE := --ignore tests/kernels/test_cache.py --ignore tests/kernels/test_shipped.py

MAKEFLAGS += --no-builtin-rules
.NOTPARALLEL:
.PHONY: help demo demo-digits demo-moons examples examples-short notebooks test-notebooks playground test-playground docs docs-short \
	warmup doctor test test-nojit test-boundscheck test-any-order test-pages test-altered-files test-machine-code test-dask mutation \
	test-every-float32 lint format lines bench bench-docs bench-check bench-estimators bench-scaling drop-in conformance build clean FORCE

help: ## list the targets (what plain make does)
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Both in one process: importing the libraries takes longer than training.
demo: $(RUN) ## watch networks learn: handwritten digits, then two moons; pictures in demo/
	$(VENV)/bin/python -m modnet demo

demo-digits: $(RUN) ## the first demo alone: ten handwritten digits, accuracy and curves
	$(VENV)/bin/python -m modnet demo digits

demo-moons: $(RUN) ## the second demo alone: two moons and the frontier between them
	$(VENV)/bin/python -m modnet demo moons

examples: $(COURSE) ## the course's examples, then the seven parts of its project; pictures in examples/out/
	$(VENV)/bin/python .ci/examples.py
	@set -e; for part in examples/handout/part*.py; do echo; echo "$$part"; $(VENV)/bin/python $$part; done

examples-short: $(COURSE) ## the examples that take a few seconds
	$(VENV)/bin/python .ci/examples.py --short

notebooks: $(COURSE) ## the examples and exercises as notebooks, in examples/notebooks/
	$(VENV)/bin/python .ci/notebooks.py

test-notebooks: $(COURSE) ## execute the exercises with their solutions
	$(VENV)/bin/python .ci/notebooks.py --run

playground: $(PLAYGROUND) ## put a network together with the mouse and watch it learn, in a browser
	$(VENV)/bin/python -m modnet playground

test-playground: $(PLAYGROUND) ## the playground in the system's Chromium (apt install chromium, or your system's way)
	$(VENV)/bin/python $(PIP) playwright
	$(VENV)/bin/python tests/playground/in_browser.py

docs: $(DOCS)/.run ## the documentation, with its gallery of examples: docs/_build/html/index.html
	$(DOCS)/bin/python -W error::UserWarning -m sphinx -W --keep-going -b html docs docs/_build/html
	$(DOCS)/bin/python .ci/links.py docs/_build/html

docs-short: $(DOCS)/.run ## the same without running the examples
	MODNET_DOCS_RUN=0 $(DOCS)/bin/python -W error::UserWarning -m sphinx -W --keep-going -b html docs docs/_build/html
	$(DOCS)/bin/python .ci/links.py docs/_build/html

warmup: $(RUN) ## compile the kernels into the cache now, so that nothing waits later
	$(VENV)/bin/python -m modnet warmup

doctor: $(RUN) ## versions, BLAS, threads, cache and advice
	$(VENV)/bin/python -m modnet doctor

test: $(DEV) ## the test suite
	$(PYTEST)

test-nojit: $(DEV) ## what runs kernels, in plain Python (NUMBA_DISABLE_JIT=1), without its slow tests
	NUMBA_DISABLE_JIT=1 $(PYTEST) -m "not slow and not needs_jit" $(KERNELS)

test-boundscheck: $(DEV) ## what runs kernels, with every array index checked (NUMBA_BOUNDSCHECK=1)
	NUMBA_BOUNDSCHECK=1 $(PYTEST) $(KERNELS)

test-any-order: $(DEV) ## public calls in any order for SECONDS=3600, each answer compared with a referee
	$(VENV)/bin/python -X faulthandler tests/engine/any_order.py --seconds $(SECONDS) --log any_order.log

test-pages: $(DEV) ## the same, and calls at once, with each array on pages of its own: an access astray ends it there (Linux, a C compiler)
	$(VENV)/bin/python -X faulthandler tests/engine/pages.py at_once.py --seconds 0.5
	$(VENV)/bin/python -X faulthandler tests/engine/pages.py any_order.py --seconds $(SECONDS) --log any_order.log

test-altered-files: $(DEV) ## files altered in 100,000 ways, none of which may load as if whole; kills while saving (minutes)
	MODNET_ALTERED_FILES=100000 MODNET_KILLS=400 $(VENV)/bin/python -m pytest tests/persistence/test_hostile_files.py \
		tests/persistence/test_hostile_places.py

test-dask: $(DEV) ## the example that searches over the workers of a Dask cluster, in an environment with Dask
	$(VENV)/bin/python $(PIP) "dask[distributed]"
	$(VENV)/bin/python -m pytest tests/estimators/test_dask.py

mutation: $(DEV) ## change the library's code in N=300 ways and see whether the tests notice (slow)
	$(VENV)/bin/python $(PIP) cosmic-ray
	$(VENV)/bin/python .ci/mutate.py -n $(N)

test-machine-code: $(DEV) ## what runs kernels, with the machine code that a wheel would bring, for each level of processors (minutes)
	$(VENV)/bin/python .ci/machine_code.py modnet/_machine
	NUMBA_CPU_NAME=x86-64-v3 $(PYTEST) $(KERNELS) $(NO_CACHE) && $(PYTEST) $(KERNELS) $(NO_CACHE); \
		done=$$?; rm -r modnet/_machine; exit $$done

test-every-float32: $(DEV) ## the math functions on every float32 there is (slow)
	$(VENV)/bin/python tests/slow/every_float32.py

lint: $(DEV) ## ruff and mypy
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m mypy

format: $(DEV) ## mend what ruff can mend safely; the hand alignment of kernels stays
	$(VENV)/bin/python -m ruff check --fix .

lines: ## count the lines of code, by folder, and those of the core
	@$(PYTHON) .ci/lines.py

FIGURES := $(BENCH)/figures
QUIETLY = env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BENCH)/bin/python
# A core type or cache size forced on OpenBLAS from outside would measure another machine than this one.
bench: $(BENCH)/.run ## time modnet against PyTorch and JAX, in an environment of their own
	$(QUIETLY) benchmarks/run.py

# Each part in a process of its own, so that one that fails leaves the others.
bench-docs: $(BENCH)/.run ## time all of it, and write the tables of README and docs (most of an hour, on a machine with nothing else to do)
	mkdir -p $(FIGURES)
	$(QUIETLY) benchmarks/run.py --json $(FIGURES)/default.json --figure docs/_static/steps.png
	$(QUIETLY) benchmarks/run.py --only training --only parts --only gains --rounds 3 --avx2 --json $(FIGURES)/avx2.json
	$(QUIETLY) benchmarks/run.py --only training --rounds 3 --float64 --json $(FIGURES)/float64.json
	for threads in one two; do \
	  $(QUIETLY) benchmarks/run.py --only training --task full --task lenet --task large --contestant "modnet fit" \
	    --threads $$(test $$threads = one && echo 1 || echo 2) --json $(FIGURES)/$$threads.json || exit 1; done
	$(QUIETLY) benchmarks/scaling.py --figure docs/_static/costs.png > $(FIGURES)/scaling.md
	$(BENCH)/bin/python benchmarks/tables.py $(FIGURES)

bench-check: $(RUN) ## whether training is slower than at a revision: make bench-check BASE=HEAD~1
	$(VENV)/bin/python benchmarks/check.py $(BASE)

bench-estimators: $(RUN) ## NetClassifier and NetRegressor beside scikit-learn's MLPs on twenty data sets (minutes)
	OPENBLAS_NUM_THREADS=1 $(VENV)/bin/python benchmarks/estimators.py

bench-scaling: $(RUN) ## cost against width, depth, batch and examples; optimizers alone; memory at its peak
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(VENV)/bin/python benchmarks/scaling.py

drop-in: $(DEV) ## scikit-learn's own tests of its MLPs, run against ours with only the import changed
	$(VENV)/bin/python benchmarks/drop_in.py

conformance: $(BENCH)/.run ## compare all modules, losses, optimizers and whole trainings with PyTorch's
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BENCH)/bin/python -m pytest benchmarks/conformance tests/check/test_compare_with_torch.py

build: $(RUN) ## the source archive, and the wheel made from it with the kernels' machine code, in dist/ (minutes)
	rm -rf dist
	$(VENV)/bin/python -m hatchling build --target sdist
	MODNET_MACHINE_CODE=build $(VENV)/bin/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz

clean: ## remove all that make has made, environments included
	rm -rf $(VENV) $(BENCH) $(DOCS) .hypothesis .mypy_cache .pytest_cache .ruff_cache build demo dist
	rm -rf examples/out examples/notebooks docs/_build docs/gallery docs/modules docs/api docs/pictures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Runs every time, and changes the file's date only when it has made the environment anew.
$(VENV)/.made $(BENCH)/.made $(DOCS)/.made: FORCE
	@.ci/venv $(@D) "$(PYTHON)"

$(RUN): $(VENV)/.made pyproject.toml constraints.txt
	@echo "modnet: installing modnet and what it needs to run into $(@D)"
	@$(INSTALL) --editable .
	@touch $@

$(DEV): $(RUN)
	@echo "modnet: installing the tools of development into $(@D)"
	@$(INSTALL) --editable ".[dev]"
	@touch $@

$(COURSE): $(RUN)
	@echo "modnet: installing what the examples and notebooks need into $(@D)"
	@$(INSTALL) --editable ".[course]"
	@touch $@

$(PLAYGROUND): $(RUN)
	@echo "modnet: installing Panel into $(@D)"
	@$(INSTALL) --editable ".[playground]"
	@touch $@

$(DOCS)/.run: $(DOCS)/.made pyproject.toml constraints.txt
	@echo "modnet: installing modnet and Sphinx into $(@D)"
	@$(INSTALL) --editable ".[docs]"
	@touch $@

$(BENCH)/.run: $(BENCH)/.made pyproject.toml constraints.txt benchmarks/requirements.txt
	@echo "modnet: installing modnet, PyTorch, JAX and pytest into $(@D)"
	@$(INSTALL) --requirement benchmarks/requirements.txt --editable .
	@touch $@
