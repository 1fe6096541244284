# `make` lists the targets. `make demo` and `make test` need nothing before them.

PYTHON ?= python3
CFLAGS ?= -O2 -Wall -Wextra
PYTEST_ARGS ?=
LAB_TESTS ?= tests/lab tests/playbooks
UV_VERSION := 0.13.9

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXAMPLES := $(basename $(wildcard examples/*.c))

# $(call require,COMMAND,MESSAGE): end with the message unless the command succeeds.
require = @{ $(1); } >/dev/null 2>&1 || { echo 'make: $(strip $(2))' >&2; exit 1; }

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install examples demo test test-labs lint lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

install: $(INSTALLED) ## mrunkit and MPICH, pinned, in .venv

# Hashes cannot be had for directories, and an isolated build would fetch what no hash pins: so
# first the build tools, then all the pinned distributions, then the two of this repository.
$(INSTALLED): pyproject.toml compat/http-parser/pyproject.toml constraints.txt constraints-build.txt
	$(call require,command -v $(PYTHON),$(PYTHON) is missing: apt-get install python3)
	$(call require,$(PYTHON) -c 'import sys; sys.exit(sys.hexversion < 0x030b0000)',$(PYTHON) is \
	older than Python 3.11: name a newer one with PYTHON=...)
	$(call require,$(PYTHON) -c 'import ensurepip',the venv module is missing: apt-get install \
	python3-venv)
	$(call require,echo '#include <stdio.h>' | $(CC) -E -,a C compiler is missing: apt-get install \
	gcc libc6-dev)
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet --no-deps --require-hashes -r constraints-build.txt
	$(PIP) install --quiet --no-deps --require-hashes --no-build-isolation -r constraints.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e ./compat/http-parser -e .
	$(PIP) check
	@touch $@

examples: $(EXAMPLES) ## the MPI programs in examples/

examples/%: examples/%.c $(INSTALLED)
	MPICH_CC=$(CC) $(BIN)/mpicc $(CFLAGS) -o $@ $< -lm

demo: $(INSTALLED) examples/hello_world ## ten MPI ranks on four hosts of a cluster that starts by itself
	$(BIN)/mrunkit run -N 4 -n 10 local ./examples/hello_world

test: $(INSTALLED) $(EXAMPLES) ## all tests; PYTEST_ARGS="..." for some
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Not part of `test`: these take root, Docker, QEMU and more than half an hour.
test-labs: $(INSTALLED) ## roles and whole labs, on containers and QEMU guests of this machine
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(LAB_TESTS)

lint: $(INSTALLED) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict playbooks .ansible-lint .yamllint
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/ansible-lint playbooks
	$(BIN)/hadolint images/*/Dockerfile
	$(BIN)/shellcheck images/*.sh images/*/*.sh mrunkit/*/*.sh .ci/docker-engine .ci/run

# Both files name versions and hashes, never where they come from.
LOCK := build/lock/bin/uv pip compile --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet

lock: ## the newest versions into constraints.txt and constraints-build.txt
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
	$(LOCK) pyproject.toml compat/http-parser/pyproject.toml --extra mpich --group dev -o constraints.txt
	$(LOCK) --group build --constraints constraints.txt -o constraints-build.txt

clean: ## away with all that make made
	rm -rf $(VENV) build dist $(EXAMPLES) .mypy_cache .pytest_cache .ruff_cache .hypothesis
