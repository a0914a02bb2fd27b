# Everything a developer runs. `make demo` and `make test` need Python 3.11 or newer, pip and make, and nothing else.

PYTHON ?= python3
VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
# Packages to install beside our own, to hold a version: make dev DJANGO='django~=5.2.0'
DJANGO ?=
PYTEST_ARGS ?=
# How many tests run at a time in the two large suites: as many as there are cores.
WORKERS ?= auto
POSTGRES ?= postgres://postgres@127.0.0.1:5432/converse

BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
export MYPY_CACHE_DIR := $(VENV)/mypy_cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: install dev clients demo test test-postgres test-browser test-clients lint format types imports migrations-check deploy-check \
	js checks screenshot simulation kills rolling chaos cluster cluster-stop races killed-races repeats fuzz schema bench bench-profile bench-viewers bench-decoding \
	bench-delivery bench-joining bench-stopping load clean

install: $(VENV)/.installed-test
dev: $(VENV)/.installed-dev
clients: $(VENV)/.installed-clients

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
	@$(MANAGE) load_wiki --verbosity 0
	@echo
	@echo "  Open http://$(HOST):$(PORT)/ and sign in as demo with the password demo. Ctrl+C ends it."
	@echo
	@case "$(HOST)" in \
		127.0.0.1 | localhost) ;; \
		*) export ALLOWED_HOSTS="localhost,127.0.0.1,$(HOST)" ;; \
	esac; \
	exec $(MANAGE) runserver $(HOST):$(PORT)

test: install
	@$(BIN)/python -m pytest -rfEs -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

test-postgres: dev
	@DATABASE_URL=$(POSTGRES) $(BIN)/python -m pytest -rfEs -n $(WORKERS) --dist loadgroup \
		-m "not browser and not clients" $(PYTEST_ARGS)

test-browser: dev
	@$(BIN)/python -m pytest -rfEs -m "browser and not clients" $(PYTEST_ARGS)

# The programs that others read our streams with, from their registries: AI SDK 6 and 7, eventsource, htmx, Vue, openai;
# and Chromium. Needs npm.
test-clients: dev clients
	@for directory in ai6 ai7 browser; do \
		npm install --prefix tests/clients/$$directory --no-package-lock --no-audit --no-fund --loglevel error || exit 1; \
	done
	@$(BIN)/python -m pytest -rfEs -m clients $(PYTEST_ARGS)

# The JavaScript: types, size, examples, and the tests of Node's own runner. Needs npm for its checkers.
js: dev $(VENV)/.installed-js
	@$(BIN)/python -m pytest -rfEs tests/js $(PYTEST_ARGS)

$(VENV)/.installed-js: package.json
	@npm install --no-package-lock --no-audit --no-fund --loglevel error
	@touch $@

# Stop an answer at the moment it completes, so many times.
races: RACES ?= 1000
races: install
	@RACES=$(RACES) $(BIN)/python -m pytest -rfEs tests/test_stopping.py -k racing $(PYTEST_ARGS)

# Stop an answer and kill the process that writes it, at the moment it completes, so many times.
killed-races: RACES ?= 500
killed-races: install
	@RACES=$(RACES) $(BIN)/python -m pytest -rfEs -o log_cli=true tests/faults/test_races.py $(PYTEST_ARGS)

# Let everything happen in any order, in simulated processes, so many times: make simulation RUNS=10000
simulation: RUNS ?= 1000
simulation: install
	@RUNS=$(RUNS) $(BIN)/python -m pytest -rfEs -p no:cacheprovider tests/simulation $(PYTEST_ARGS)

# Send the same question fifty times at once, so many times: make repeats ROUNDS=200
repeats: ROUNDS ?= 200
repeats: install
	@ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -rfEs tests/api/test_repeats.py $(PYTEST_ARGS)

# Send to every path of the REST API, so many times each, what its schema allows and what it forbids.
schema: EXAMPLES ?= 1000
schema: install
	@EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -rfEs -o log_cli=true -o log_cli_level=INFO \
		-m schema --timeout 0 $(PYTEST_ARGS)

# Kill a server in the middle of its answers, so many times: make kills RUNS=200. At the default lease: LEASE=10
kills: RUNS ?= 20
kills: LEASE ?= 2
kills: install
	@RUNS=$(RUNS) LEASE=$(LEASE) $(BIN)/python -m pytest -rfEs -o log_cli=true tests/faults/test_kills.py $(PYTEST_ARGS)

# Restart two web processes behind nginx, and a whole site, one process after the other, under so many viewers.
rolling: VIEWERS ?= 200
rolling: install
	@VIEWERS=$(VIEWERS) $(BIN)/python -m pytest -rfEs -o log_cli=true -o log_cli_level=INFO --timeout 0 tests/faults/test_rolling_restart.py tests/faults/test_rolling_cluster.py $(PYTEST_ARGS)

# A site of many processes: two web processes behind nginx, two Celery workers, PostgreSQL, Redis and a provider.
cluster: install
	@$(BIN)/python -m tests.cluster start

cluster-stop: install
	@$(BIN)/python -m tests.cluster stop

# Break such a site at random under its viewers, so many times: make chaos RUNS=300. What failed, again: SEED=…
chaos: RUNS ?= 20
chaos: LEASE ?= 10
chaos: SEED ?= $(shell od -An -N3 -tu4 /dev/urandom)
chaos: install
	@RUNS=$(RUNS) LEASE=$(LEASE) SEED=$(strip $(SEED)) $(BIN)/python -m pytest -rfEs -o log_cli=true tests/chaos $(PYTEST_ARGS)

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

# What a durable, followed answer costs beside a bare pass-through and beside others, a quarter of an hour;
# make bench QUICK=1 takes a minute and only shows that it works.
QUICK ?=
bench: benchmarks/.venv/.installed
	@benchmarks/.venv/bin/python -m benchmarks.passthrough $(if $(QUICK),--rounds 1 --deltas 60) $(BENCH_ARGS)

# Where the CPU of such an answer goes.
bench-profile: benchmarks/.venv/.installed
	@benchmarks/.venv/bin/python -m benchmarks.profiled $(BENCH_ARGS)

# The others, and nothing of it in $(VENV).
benchmarks/.venv/.installed: benchmarks/requirements.txt benchmarks/package.json
	@echo "Installing what is compared into benchmarks/, two minutes the first time"
	@$(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install --quiet --requirement benchmarks/requirements.txt
	@if command -v npm >/dev/null; then \
		npm install --prefix benchmarks --no-package-lock --no-audit --no-fund --loglevel error; \
	fi
	@touch $@

# Memory, threads and database connections of 5,000 viewers that wait.
bench-viewers: install
	@$(BIN)/python -m benchmarks.idle $(BENCH_ARGS)

# So many answers at a time, written by two workers, with so many viewers in two web processes: is every text right, and
# what do the database and the processes bear? HINTS is none, redis or notify. Needs PostgreSQL's and Redis's programs.
load: ANSWERS ?= 100
load: VIEWERS ?= 200
load: SECONDS ?= 60
load: HINTS ?= none
load: install
	@$(BIN)/python -m benchmarks.load --answers $(ANSWERS) --viewers $(VIEWERS) --seconds $(SECONDS) --hints $(HINTS) $(BENCH_ARGS)

# Milliseconds from a word of a busy answer to the last of its 1,000 viewers.
bench-delivery: install
	@$(BIN)/python -m benchmarks.delivery $(BENCH_ARGS)

# Milliseconds from a stop to the ending, in the process and from another one.
bench-stopping: install
	@$(BIN)/python -m benchmarks.stopping $(BENCH_ARGS)

# Milliseconds to join a live answer of many rows.
bench-joining: install
	@$(BIN)/python -m benchmarks.joining $(BENCH_ARGS)

# CPU per event of each provider's wire format, above what it takes to receive the bytes.
bench-decoding: install
	@$(BIN)/python -m benchmarks.decoding $(BENCH_ARGS)

# Bring the catalogues in step with the code. Needs gettext. Then translate what is new, and run it again.
.PHONY: messages
messages: dev
	@cd converse_stream && DJANGO_SETTINGS_MODULE=tests.settings PYTHONPATH=.. ../$(BIN)/django-admin makemessages \
		--locale en --locale uk --add-location file --no-wrap --no-obsolete
	@cd converse_stream && ../$(BIN)/django-admin compilemessages

# The pictures in the README, taken of the running page.
screenshot: dev
	@$(BIN)/python -m tests.browser.screenshot docs/images/chat.png
	@$(BIN)/python -m tests.browser.screenshot docs/images/chat-phone.png dark 420

clean:
	rm -rf $(VENV) .tools benchmarks/.venv benchmarks/node_modules benchmarks/results
