# Every target makes and fills .venv when it is missing or older than a pyproject.toml. All that is needed is Python 3.11.
# quipu and the two packages of models that it depends on are all taken from this checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODELS := packages/quipu-small packages/quipu-small-lm

.PHONY: demo test lint bench docs
.DEFAULT_GOAL := test

$(STAMP): pyproject.toml $(MODELS:=/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(addprefix --editable ,$(MODELS)) --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/quipu demo

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks docs packages
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python benchmarks/report.py --check

bench: $(STAMP)
	$(BIN)/quipu bench

docs: $(STAMP)
	$(BIN)/python docs/make_cli.py
	$(BIN)/python benchmarks/report.py
