# Everything here sets itself up in .venv, and again only when pyproject.toml or requirements.lock changed.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# The first that is new enough.
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11
TESTS ?= tests
# Two at a time, a file's tests together: they share what the file sets up. PARALLEL= runs them one by one.
PARALLEL ?= -n 2 --dist loadfile
ARGS ?=
# Pipelines that the benchmark runs beside preflect, each in an environment of its own: their needs contradict ours.
PEERS := build/bench-peers

.PHONY: help quickstart test check format bench-traffic bench-peers lock browser clean

help:
	@echo 'make quickstart   the whole job on the shipped seeds: no key, no network, no GPU (ARGS="--samples 20")'
	@echo 'make test         the whole test suite (TESTS=tests/unit, ARGS="-k pair")'
	@echo 'make check        ruff, pyright, import-linter'
	@echo 'make format       what ruff can mend by itself'
	@echo 'make bench-traffic MOCK="PYTHON mock_openai.py"   what is promised of model traffic (ARGS="--only fixed --scale 0.1")'
	@echo 'make bench-peers  Curator and Data Designer in build/, to be measured beside it'
	@echo 'make lock         requirements.lock anew from pyproject.toml (needs uv)'
	@echo 'make clean        remove .venv and all caches'

quickstart: $(VENV)/.base
	$(BIN)/preflect quickstart $(ARGS)

test: $(VENV)/.dev browser
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-traffic: $(VENV)/.dev
	@test -n '$(MOCK)' || { echo 'name the server: make bench-traffic MOCK="PYTHON path/to/mock_openai.py"' >&2; exit 1; }
	$(BIN)/python tests/bench/traffic.py --mock '$(MOCK)' --peers $(PEERS) $(ARGS)

bench-peers: $(PEERS)/curator/.ready $(PEERS)/data-designer/.ready

$(PEERS)/curator/.ready: PACKAGE := bespokelabs-curator==0.1.31
$(PEERS)/data-designer/.ready: PACKAGE := data-designer==0.9.7
$(PEERS)/%/.ready: | $(VENV)/bin/python
	$(BIN)/python -m venv $(PEERS)/$*
	$(PEERS)/$*/bin/python -m pip --disable-pip-version-check install $(PACKAGE)
	touch $@

# Browser tests drive Debian's Chromium. Where it cannot be installed from here, they fail and say the same.
browser:
	@command -v chromium >/dev/null || .ci/install-system-packages || \
		echo 'Chromium is missing, browser tests will fail; on Debian: apt-get install chromium bubblewrap' >&2

# torch comes from its own step: pip then takes what fits this machine (a CPU build where one is offered), and the
# project's own installation finds it there.
$(VENV)/.dev: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP) install torch==2.13.0
	$(PIP) install --constraint requirements.lock --editable '.[all,dev]'
	touch $(VENV)/.base $@

$(VENV)/.base: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP) install --constraint requirements.lock --editable .
	touch $@

$(VENV)/bin/python:
	@for python in $(PYTHONS); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; \
			$$python -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); \
			echo "$$python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; \
			exit 1; \
		fi; \
	done; \
	echo 'preflect needs Python 3.11 or newer, and none of these is it: $(strip $(PYTHONS)).' >&2; \
	echo 'Install one, or name it: make PYTHON=/path/to/python3.12 …' >&2; \
	exit 1

# One file for all platforms and Pythons, used as constraints. torch stays at the version that the tests ran with.
lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	echo 'torch==2.13.0' | uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --all-extras --constraint - pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find pipelines schemas tests -name __pycache__ -type d -prune -exec rm -rf {} +
