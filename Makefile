# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
WITH_SERVERS := $(VENV)/.installed-with-servers

.PHONY: demo test integration golden lint format clean

demo: $(INSTALLED)
	$(BIN)/bottleneck profile tiny

test: $(INSTALLED) lint
	$(BIN)/pytest -m "not integration"

integration: $(WITH_SERVERS)
	$(BIN)/pytest -m integration

golden: $(INSTALLED)
	$(BIN)/python -m tests.golden.renderings

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m compileall -q profiler # pip does that for what it copies, and an environment may forbid Python to
	touch $@

$(WITH_SERVERS): $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,ray]' 'transformers[serving]'
	touch $@
