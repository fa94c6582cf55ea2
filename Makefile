# `make` alone lists what it can do. Needs only Python 3.11 or later and make: the rest goes into .venv.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell command -v $(name) 2>/dev/null)) python3)
VENV   ?= .venv
JOBS   ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo sample simulation-page working-points test lint coverage bounds test-systems docs bench dist clean
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without bytecode each of the many processes that tests start compiles all sources again.
unexport PYTHONDONTWRITEBYTECODE

# What is installed is kept in stamp files: a second call installs nothing until pyproject.toml changes.
TEST    := $(VENV)/.installed-test
DEV     := $(VENV)/.installed-dev
SYSTEMS := $(VENV)/.installed-systems
DOCS    := $(VENV)/.installed-docs
RUN     := $(VENV)/bin/python -m

# "At least 95 % of the pure middle": these files, counted with the kernels run as plain Python.
MIDDLE := windowing/association windowing/windows windowing/labels windowing/features core/geometry \
	windowing/pipeline
KERNELS := windowing/kernels/association formats/kernels/decimal dumper/kernels/decode \
	windowing/kernels/features core/kernels/gather formats/kernels/json_numbers formats/kernels/json_syntax \
	formats/kernels/json_text formats/kernels/json_values formats/kernels/json_windows windowing/kernels/mustache \
	formats/kernels/protobuf formats/kernels/tfrecord_writer formats/kernels/tfrecord_reader \
	windowing/kernels/windows
COUNTED := $(patsubst %,src/ecalwindows/%.py,$(MIDDLE) $(KERNELS))
# The tests that check them (the others would only be slow without compiled kernels).
SPEAKING := $(patsubst %,tests/%.py,windowing/test_pipeline windowing/test_kernels commands/test_goldens \
	core/test_working_points dumper/test_columns formats/test_decimal formats/test_ndjson \
	formats/test_ndjson_reader formats/test_json_numbers formats/test_tfrecord)
space := $(subst ,, )
comma := ,

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

demo: $(TEST) ## windows of a packaged sample, with a picture, in demo/
	@$(VENV)/bin/ecalwindows demo -o demo

sample: $(TEST) ## make the packaged sample again, and with it what README and docs show of it
	@$(VENV)/bin/python tools/packaged_sample.py

simulation-page: $(TEST) ## bring the tables of docs/simulation.md up to date (minutes)
	@$(VENV)/bin/python tools/simulation_page.py

# All tests of a file in one process: otherwise both processes compile the same kernels at the same time.
test: $(TEST) ## all tests that need no other system
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m "not slow" --ignore=tests/systems

lint: $(DEV) ## ruff, mypy and words that readers would stumble over
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(VENV)/bin/python tools/odd_words.py

coverage: $(TEST) ## at least 95 % of the lines of the pure middle and its kernels are tested
	@rm -f .coverage .coverage.*
	@NUMBA_DISABLE_JIT=1 $(RUN) pytest -n $(JOBS) $(SPEAKING) -m "not slow and not compiled" \
		--cov --cov-report=
	@$(RUN) coverage report --fail-under=95 --include='$(subst $(space),$(comma),$(COUNTED))'

# One process per name: TensorFlow, XRootD and ROOT crash in the same one. Files of a star share one (an HTCondor pool).
SYSTEM_TESTS := report_browser croissant dask_pages onnx parity_onnx reference_training tensorflow tensorflow_graphs tf_dataset torch_dataset training_to_cmssw xrootd production_xrootd simulate_ttree simulate_pythia htcondor* slurm
test-systems: $(SYSTEMS) ## tests against real servers, and slow ones; none may be skipped
	@bash tools/chromium.sh
	@$(RUN) pytest --no-skips -n $(JOBS) -m slow --ignore=tests/systems
	@set -e; for name in $(SYSTEM_TESTS); do $(RUN) pytest --no-skips tests/systems/test_$$name.py; done

bounds: $(TEST) ## the tests of all kernels once more, with a check of every index (some minutes)
	@$(RUN) pytest -n 0 -m slow tests/core/test_kernel_bounds.py

working-points: $(TEST) ## the packaged working points, derived again from the simulation (some minutes); WORK=folder
	@$(VENV)/bin/python tools/default_working_points.py $(WORK)

bench: $(TEST) ## time and memory beside plain uproot and Awkward Array
	@$(VENV)/bin/python benchmarks/run.py $(BENCH)

docs: $(DOCS) ## the documentation site in site/
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet
	@echo "open site/index.html"

dist: $(DEV) ## sdist and wheel in dist/
	@rm -rf dist
	@$(RUN) build --outdir dist

clean: ## remove all that make made
	rm -rf "$(VENV)" demo dist site working-points benchmarks/data benchmarks/.rootvenv .coverage .coverage.* \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache src/ecalwindows/_version.py
	find src tests tools benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "ecalwindows needs Python 3.11 or later; '$(PYTHON)' is $$("$(PYTHON)" --version 2>/dev/null || echo absent)."; \
		echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; } >&2
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@rm -rf "$(VENV)"
	@"$(PYTHON)" -m venv "$(VENV)" || { rm -rf "$(VENV)"; \
		echo "'$(PYTHON)' cannot make virtual environments (on Debian: apt-get install python3-venv)." >&2; exit 1; }

$(TEST): EXTRAS = test
$(DEV): EXTRAS = dev
$(DOCS): EXTRAS = docs
$(SYSTEMS): EXTRAS = test,xrootd,htcondor,dask,onnx,torch,tensorflow,croissant,simulate,pythia8mc,browser
$(TEST) $(DEV) $(SYSTEMS) $(DOCS): pyproject.toml | $(VENV)/bin/python
	@echo "installing ecalwindows[$(EXTRAS)] into $(VENV) (about a minute)"
	@$(RUN) pip install -qq --editable ".[$(EXTRAS)]"
	@touch "$@"
