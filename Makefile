# Every target sets itself up: Python 3.11 or newer and make are all that must be there.
# uv is used where it is installed; without it, venv and pip do the same from the same locks.

# The system's interpreter goes before those of PATH: distributions build theirs with profile-guided
# optimization, version managers mostly do not, and a call costs an eighth less with it. One without
# venv (Debian's, as it comes) goes last. PYTHON=... is any other. Looked for once, when it is needed.
NAMES := python3.11 python3.12 python3.13 python3.14 python3 python
find = $(firstword $(foreach p,$(NAMES:%=/usr/bin/%) $(NAMES),$(shell $(p) -c 'import $(1), sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)))
PYTHON = $(eval PYTHON := $$(or $$(call find,ensurepip),$$(call find,sys)))$(PYTHON)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
export VIRTUAL_ENV :=
export PYTHONPATH :=

.PHONY: serve test check bench docs golden conformance catalogue install install-test lock clean format
.DEFAULT_GOAL := help

help:
	@echo 'make serve   start the gateway on 127.0.0.1:8080'
	@echo 'make test    run the whole test suite'
	@echo 'make check   format, lint, types, architecture (under a minute)'
	@echo 'make bench   the gateway beside its floor, as ratios'
	@echo 'make docs    regenerate what is generated in docs/'
	@echo 'make golden  rewrite what tests/golden expects; review the diff'
	@echo 'make conformance every recorded answer through every dialect, to docs/conformance.md'
	@echo 'make catalogue rebuild the shipped catalogue of models from genai-prices'
	@echo 'make install put the nagara command into .venv'

# From a checkout, the data lies in ./data, where the nagara command finds it too.
serve: export NAGARA_DATA ?= data
serve: install
	@exec $(BIN)/nagara serve

# Files side by side, a process a core: most tests wait for processes that they have started.
test: install-test
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: install-test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/unit/test_architecture.py

format: install-test
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: install-test
	@$(BIN)/python -m bench

docs: install-test
	@$(BIN)/python -m docs

golden: install-test
	@$(BIN)/python -m tests.golden

# Real answers of providers, recorded, through every dialect; minutes, and the folder of recordings.
conformance: install-clients
	@$(BIN)/python -W ignore -m tests.recordings.conformance

catalogue: install-test
	@$(BIN)/python -m nagara.catalogue

install: .venv/.runtime
install-test: .venv/.test

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo 'Nagara needs Python 3.11 or newer; none was found.' >&2; exit 1; }
ifdef UV
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
else
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endif

# $(call sync,LOCK): install a lock, then the package itself, editable, without resolving anything: a lock
# is complete, and pip asked to resolve it would refuse a dependency's extra that only a newer release meets.
ifdef UV
sync = $(UV) pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r $(1) && \
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
# A .venv that uv made has no pip; venv adds it.
sync = { $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv; } && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(1) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif

.venv/.runtime: requirements/runtime.lock pyproject.toml | .venv/bin/python
	@echo 'Setting up .venv …' >&2
	@$(call sync,requirements/runtime.lock)
	@touch $@

.venv/.test: requirements/test.lock pyproject.toml | .venv/bin/python
	@echo 'Setting up .venv for tests …' >&2
	@$(call sync,requirements/test.lock)
	@touch $@ .venv/.runtime

# Programs and SDKs of other people that tests use as clients: too much for everyone's environment.
install-clients: .venv/.clients
.venv/.clients: requirements/clients.lock pyproject.toml | .venv/bin/python
	@echo 'Setting up .venv with client programs …' >&2
	@$(call sync,requirements/clients.lock)
	@touch $@ .venv/.test .venv/.runtime

# The locks name no index, so that they serve behind any mirror.
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --extra catalogue --extra media --extra postgres --group build pyproject.toml
lock:
	@test -n "$(UV)" || { echo 'make lock needs uv' >&2; exit 1; }
	@$(LOCK) -o requirements/runtime.lock
	@$(LOCK) --group test -o requirements/test.lock
	@$(LOCK) --group test --group clients -o requirements/clients.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
