# Everything a developer runs. `make demo` and `make test` need Python 3.11 or newer, pip and make, and nothing else.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
# Packages to install beside our own, to hold a version: make dev DJANGO='django~=5.2.0'
DJANGO ?=
PYTEST_ARGS ?=
POSTGRES ?= postgres://postgres@127.0.0.1:5432/converse

BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
export MYPY_CACHE_DIR := $(VENV)/mypy_cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install dev demo test test-postgres test-browser test-clients lint format types imports migrations-check deploy-check \
	checks screenshot kills races fuzz schema bench bench-decoding clean

install: $(VENV)/.installed-test
dev: $(VENV)/.installed-dev

# Some systems ship Python without ensurepip; virtualenv brings its own.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV) && \
		$(PYTHON) -m pip install --quiet --target .tools virtualenv && \
		PYTHONPATH=.tools $(PYTHON) -m virtualenv --quiet $(VENV); }
	@touch $@

$(VENV)/.installed-%: $(VENV)/.made pyproject.toml
	@echo "Installing into $(VENV), a minute the first time"
	@$(BIN)/python -m pip install --quiet --editable '.[$*]' $(DJANGO)
	@touch $@

demo: install
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) create_demo_user
	@echo
	@echo "  Open http://$(HOST):$(PORT)/ and sign in as demo with the password demo. Ctrl+C ends it."
	@echo
	@case "$(HOST)" in \
		127.0.0.1 | localhost) ;; \
		*) export ALLOWED_HOSTS="localhost,127.0.0.1,$(HOST)" ;; \
	esac; \
	exec $(MANAGE) runserver $(HOST):$(PORT)

test: install
	@$(BIN)/python -m pytest -rfEs $(PYTEST_ARGS)

test-postgres: dev
	@DATABASE_URL=$(POSTGRES) $(BIN)/python -m pytest -rfEs -m "not browser and not clients" $(PYTEST_ARGS)

test-browser: dev
	@$(BIN)/python -m pytest -rfEs -m browser $(PYTEST_ARGS)

# The programs that others read our streams with, from their registries: AI SDK 6 and 7, eventsource, openai. Needs npm.
test-clients: dev $(VENV)/.installed-clients
	@for directory in ai6 ai7; do \
		npm install --prefix tests/clients/$$directory --no-package-lock --no-audit --no-fund --loglevel error || exit 1; \
	done
	@$(BIN)/python -m pytest -rfEs -m clients $(PYTEST_ARGS)

# Stop an answer at the moment it completes, so many times.
races: RACES ?= 1000
races: install
	@RACES=$(RACES) $(BIN)/python -m pytest -rfEs tests/test_stopping.py -k racing $(PYTEST_ARGS)

# Send to every path of the REST API, so many times each, what its schema allows and what it forbids.
schema: EXAMPLES ?= 1000
schema: install
	@EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -rfEs -m schema --timeout 0 $(PYTEST_ARGS)

# Kill a server in the middle of its answers, so many times: make kills RUNS=200. At the default lease: LEASE=10
kills: RUNS ?= 20
kills: LEASE ?= 2
kills: install
	@RUNS=$(RUNS) LEASE=$(LEASE) $(BIN)/python -m pytest -rfEs -o log_cli=true tests/faults/test_kills.py $(PYTEST_ARGS)

# Mutate, cut and split recorded answers of providers, so many times for each format: make fuzz EXAMPLES=100000
fuzz: EXAMPLES ?= 10000
fuzz: install
	@EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -rfEs -p no:cacheprovider tests/providers/codecs/test_fuzz.py $(PYTEST_ARGS)

lint: dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: dev
	@$(BIN)/mypy

imports: dev
	@$(BIN)/lint-imports

migrations-check: dev
	@$(MANAGE) makemigrations --check --dry-run

deploy-check: dev
	@ENV_FILE=example_project/production.env.example $(MANAGE) check --deploy --fail-level WARNING

checks: lint types imports migrations-check deploy-check

# CPU per token of a durable, followed answer over that of a bare pass-through.
bench: install
	@$(BIN)/python -m benchmarks.passthrough $(BENCH_ARGS)

# CPU per event of each provider's wire format, above what it takes to receive the bytes.
bench-decoding: install
	@$(BIN)/python -m benchmarks.decoding $(BENCH_ARGS)

# The picture in the README, taken of the running page.
screenshot: dev
	@$(BIN)/python -m tests.browser.screenshot docs/images/chat.png

clean:
	rm -rf $(VENV) .tools
