# Every target makes and fills .venv when it is missing or older than a pyproject.toml. All that is needed is Python 3.11.
# quipu and the two packages of models that it depends on are all taken from this checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MODELS := packages/quipu-small packages/quipu-small-lm
SOURCES := src tests benchmarks docs packages

.PHONY: demo test test-integrations lint format coverage bench docs pages site release-check
.DEFAULT_GOAL := test

$(STAMP): pyproject.toml $(MODELS:=/pyproject.toml)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(addprefix --editable ,$(MODELS)) --editable '.[dev]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/quipu demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile

# With the frameworks of quipu.integrations, in an environment of their own: they take longer to install than their
# tests to run.
FRAMEWORKS := build/frameworks

test-integrations:
	test -x $(FRAMEWORKS)/bin/python || $(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet $(addprefix --editable ,$(MODELS)) \
		--editable '.[langchain,llama-index,haystack,datasets,serve]' \
		'langchain-tests>=1.1,<2' 'pytest>=8.3' 'pytest-asyncio>=1.0' 'pytest-timeout>=2.3' 'hypothesis>=6.115' 'httpx2>=2.16'
	$(FRAMEWORKS)/bin/python -m pytest tests/integrations \
		-o asyncio_mode=auto -o asyncio_default_fixture_loop_scope=function

lint: $(STAMP)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python docs/make_openapi.py --check
	$(BIN)/python benchmarks/report.py --check

format: $(STAMP)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

coverage: $(STAMP)
	$(BIN)/python -m pytest --cov --cov-report=term --cov-report=html:build/coverage

bench: $(STAMP)
	$(BIN)/quipu bench

docs: $(STAMP)
	$(BIN)/python docs/make_cli.py
	$(BIN)/python docs/make_openapi.py
	$(BIN)/python benchmarks/report.py

# What the commands on the pages print, written into them: some minutes.
pages: $(STAMP)
	$(BIN)/python docs/run_pages.py
	$(BIN)/python docs/run_notebook.py

# The documentation as a site, in build/site.
site: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	$(BIN)/python docs/make_site.py build/pages
	$(BIN)/zensical build --clean --strict

# What a release would publish: built, installed into an empty environment, and asked. quipu's distributions come from
# dist/ alone, what they need from the package index.
release-check: $(STAMP)
	bash packages/release_check.sh $(BIN)/python
