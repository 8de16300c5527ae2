# The project's everyday commands. Install first: CONTRIBUTING.md says how.
PYTHON := $(if $(wildcard .venv/bin/python),.venv/bin/python,python)

.PHONY: help check test quick thorough coverage benchmark

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

check:  ## lint, formatting and types; changes no file
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:  ## run the tests (10 to 20 minutes on 2 cores)
	$(PYTHON) -m pytest

quick:  ## run the tests that are not slow (about 3 minutes)
	$(PYTHON) -m pytest -m "not slow"

thorough:  ## run the tests, and those that kill and measure at length
	$(PYTHON) -m pytest -m ""

coverage:  ## run all tests, in about twice the time, and print which share of the lines they run
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest
	$(PYTHON) -m coverage combine -q
	$(PYTHON) -m coverage report

benchmark:  ## measure training speed on this machine (about 2 minutes)
	$(PYTHON) benchmarks/benchmark.py
