# Two commands matter: `make run` and `make test`. `make help` lists the rest.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
UV := $(BIN)/uv
INSTALL := sh .ci/install $(VENV)
#: What pytest is told beside the defaults, and then the storms are left out: make test ARGS="tests/storage -x"
ARGS ?=
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help run test tests both check lint types format migration requirements pictures api corpus crash deliveries tamper states long defects bench-import bench-click bench-analytics bench-queue supply-chain replicas rolling partition flood soak clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: $(VENV)/installed ## Serve the workbench on an embedded database, from nothing but Python
	@$(BIN)/workbench serve

test: $(VENV)/installed-dev lint ## Install what tests need, a browser included; then lint, types and all tests
	@$(MAKE) --no-print-directory --jobs 2 types tests
ifeq ($(ARGS),)
	@$(PYTHON) -m pytest -n 2 --dist load -m storm tests/states
	@$(PYTHON) -m pytest -n 2 --dist load -m storm tests/crash
endif

# Beside types, which leave the other cores idle; one worker more than cores, as the browser keeps them waiting.
tests: $(VENV)/installed-dev
	@$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)
WORKERS = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')

check: test ## The same as test: what CI runs

lint: $(VENV)/installed-dev ## Look for slips and check the format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/installed-dev ## Check types, strictly where rules, storage and actions are
	@$(BIN)/mypy

format: $(VENV)/installed-dev ## Put the code into its format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

migration: $(VENV)/installed-dev ## Draft the migration to the tables in code: make migration MESSAGE="what changed"
	@test -n "$(MESSAGE)" || { echo 'Say what changed: make migration MESSAGE="..."'; exit 2; }
	@$(PYTHON) -c 'import sys; from storage import schema; print("Read and tidy", schema.draft(sys.argv[1]))' "$(MESSAGE)"
	@$(BIN)/ruff format --quiet storage/migrations

requirements: $(VENV)/installed-dev ## Pin the newest versions that pyproject.toml allows
	@$(UV) pip compile pyproject.toml --group build --upgrade --output-file requirements.txt $(COMPILE)
	@$(UV) pip compile --group dev --constraint requirements.txt --upgrade --output-file requirements-dev.txt $(COMPILE)
	@echo uv | $(UV) pip compile - --constraint requirements-dev.txt --output-file .ci/uv.txt $(COMPILE)

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --no-config

tamper: $(VENV)/installed-dev ## Tamper with random events of the audit record, and see each found: make tamper N=1000
	@$(PYTHON) -W ignore -m tests.tamper $(N)
tamper: N ?= 100

crash: $(VENV)/installed-dev ## Kill, pause and cut off whoever decides, and see that nothing is lost: make crash N=10000
	@$(PYTHON) -W ignore -m tests.crash --decisions $(N)
crash: N ?= 2000

deliveries: $(VENV)/installed-dev ## Kill whoever sends webhooks, send to bad receivers, and see that all arrives: make deliveries N=10000
	@$(PYTHON) -W ignore -m tests.crash --faults F17,F18 --decisions $(N)
deliveries: N ?= 2000

long: $(VENV)/installed-dev ## Run the tests that take too long for every commit: of the browser, and of twenty seeds
	@$(PYTHON) -m pytest -n auto --dist worksteal -m long -rP tests/browser tests/workbench

both: $(VENV)/installed-dev ## Run every test on both kinds of database, also those that a commit runs on one
	@WORKBENCH_TESTS_ON_BOTH=1 $(PYTHON) -m pytest -n auto --dist worksteal

api: $(VENV)/installed-dev ## Ask the HTTP interface what nobody would, long: make api N=500
	@API_EXAMPLES=$(N) $(PYTHON) -m pytest -n auto --dist worksteal tests/workbench/api/test_schemathesis.py
api: N ?= 500

corpus: $(VENV)/installed-dev ## Read the corpus of hostile and odd files, and kill imports: make corpus KILLS=100
	@$(PYTHON) -W ignore -m tests.corpus.run
	@IMPORT_KILLS=$(KILLS) $(PYTHON) -m pytest tests/corpus tests/workbench/test_killed_imports.py -m "long or not long"
corpus: KILLS ?= 100

defects: $(VENV)/installed-dev ## Break the product on purpose, and see each defect caught
	@$(PYTHON) -m tests.crash.defects

pictures: $(VENV)/installed-dev ## Take a picture of every page, light and dark, at 1280 and 390 pixels: make pictures PAGES="review queue"
	@$(PYTHON) -W ignore -m tests.browser.pictures docs/pictures $(PAGES)

bench-import: $(VENV)/installed-dev ## Rows per second of an import, beside a bare bulk insert
	@$(PYTHON) benchmarks/import_speed.py

bench-click: $(VENV)/installed-dev ## From a click to the next item painted, beside an empty one-button app
	@$(PYTHON) benchmarks/click_speed.py

states: $(VENV)/installed-dev ## Do to the queue whatever may happen to it, long, on both databases: make states N=20000
	@STATES=$(N) $(PYTHON) -m pytest -n 2 --dist load -m storm tests/states
states: N ?= 20000

bench-analytics: $(VENV)/installed-dev ## What the analytics pages cost, beside queries by hand: make bench-analytics ARGS="6000 100000"
	@PYTHONPATH=. $(PYTHON) benchmarks/analytics_speed.py $(ARGS)

bench-queue: $(VENV)/installed-dev ## Claims and decisions a second at up to a million open items, beside bare transactions
	@PYTHONPATH=. $(PYTHON) benchmarks/queue_speed.py $(ARGS)

supply-chain: $(VENV)/installed-dev ## Ask whether pinned packages are known to be vulnerable; write the bill of materials to dist/
	@.ci/supply-chain $(UV)

replicas: $(VENV)/installed-dev ## Two servers behind nginx: kill the one that a reviewer is on
	@command -v nginx >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y nginx-light >/dev/null; }
	@$(PYTHON) -m pytest -m long -s tests/browser/test_replicas.py

partition: $(VENV)/installed-dev ## Drop packets between reviewers and PostgreSQL, as root: make partition N=10000
	@$(PYTHON) -W ignore -m tests.crash --faults F12 --database postgresql --decisions $(N)
partition: N ?= 2000

rolling: $(VENV)/installed-dev ## Migrate and restart under decisions, old and new version side by side: make rolling N=1000
	@$(PYTHON) -W ignore -m tests.crash --faults F15 --decisions $(N)
rolling: N ?= 200

flood: $(VENV)/installed-dev ## Large files, strangers' sockets and messages without end at the doors, while somebody works
	@PYTHONPATH=. $(PYTHON) -W ignore benchmarks/flood.py $(ARGS)

soak: $(VENV)/installed-dev ## 50 reviewers and 5 managers on a million items for a while: make soak MINUTES=2 ITEMS=100000
	@PYTHONPATH=. $(PYTHON) -W ignore benchmarks/soak.py --minutes $(MINUTES) --items $(ITEMS) $(ARGS)
soak: MINUTES ?= 10
soak: ITEMS ?= 1000000

clean: ## Remove the environment; the database stays
	rm -rf $(VENV)

$(PYTHON):
	@sh .ci/python $(VENV)

$(UV): $(PYTHON) .ci/uv.txt
	@$(PYTHON) -m pip --disable-pip-version-check --quiet --quiet install --require-hashes --requirement .ci/uv.txt
	@touch $@

$(VENV)/installed: $(UV) requirements.txt pyproject.toml
	@echo "Installing the workbench into $(VENV) ..."
	@$(INSTALL) --require-hashes --requirement requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# One call for both files, and Chromium beside it: it comes from elsewhere.
$(VENV)/installed-dev: $(UV) requirements.txt requirements-dev.txt pyproject.toml .ci/chromium
	@echo "Installing the workbench and what its tests need into $(VENV) ..."
	@sh .ci/chromium & chromium=$$!; \
	$(INSTALL) --require-hashes --requirement requirements.txt --requirement requirements-dev.txt \
	&& $(INSTALL) --no-deps --no-build-isolation --editable . \
	&& { wait $$chromium || $(PYTHON) -m playwright install chromium; }
	@touch $(VENV)/installed $@
