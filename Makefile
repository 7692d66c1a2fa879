# Everything a developer or CI calls; each target sets up what it needs first.

SHELL := /bin/sh
PYTHON := .venv/bin/python
STAMP := build/stamps/setup

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## fetch Python packages, MicroPython builds, Mosquitto and valgrind (into .venv and build)
	@python3 -m tools.setup --stamp $(STAMP)

SETUP_FILES := requirements.txt requirements-dev.txt $(wildcard $(addprefix tools/setup/*,.py .txt .json .mjs))

$(STAMP): $(SETUP_FILES) | build/stamps
	@python3 -m tools.setup --stamp $(STAMP)

# A virtual environment deleted by hand is made anew.
ifeq ($(wildcard $(PYTHON)),)
.PHONY: $(STAMP)
endif

build/stamps:
	@mkdir -p $@

test: $(STAMP) ## lint, compile for the ESP32, then run all tests
	@$(MAKE) --no-print-directory lint mpy
	@.venv/bin/pytest -n $$(($$(nproc) + 1)) --dist worksteal

lint: $(STAMP) ## ruff, types, import rules, trap lint and the other checks of tools/lint
	@$(PYTHON) -m tools.lint

format: $(STAMP) ## let ruff format and mend what it can
	@.venv/bin/ruff format --quiet . ; .venv/bin/ruff check --quiet --fix --exit-zero .

mpy: $(STAMP) ## compile protocol and firmware for the ESP32 into build/mpy
	@$(PYTHON) -m tools.lint.compile

bench: $(STAMP) ## measure the budgets and write build/bench.json
	@$(PYTHON) -m tests.bench

soak: $(STAMP) ## an hour of random lives, pairs of power cuts, two months of 30 days; then a fleet with everything that breaks
	@$(PYTHON) -m tests.sim.soak
	@$(PYTHON) -m tests.sim.fleet

demo: $(STAMP) ## one terminal, five families, broker down and up again, settled
	@$(PYTHON) -m tools.demo

run: $(STAMP) ## the demo's stack, left running
	@$(PYTHON) -m tools.demo --keep-running

vectors-check: $(STAMP) ## check that the golden vectors are what the code makes today
	@$(PYTHON) -m tools.golden_vectors --check

protocol-ids: $(STAMP) ## list normative sentences of the protocol that no test covers
	@$(PYTHON) -m tools.protocol_ids

lock: $(STAMP) ## renew the hashed lock files from the .in files
	@$(PYTHON) -m tools.setup.lock

clean: ## remove everything that setup and builds made
	rm -rf build .venv .ruff_cache .mypy_cache .hypothesis

.PHONY: help setup test lint format mpy bench soak demo run vectors-check protocol-ids lock clean
