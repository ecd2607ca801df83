# Every target first sets up what it needs: see requirements/install.
PYTHON = .venv/bin/python
# One process more than processors: some tests wait for servers and for time.
# Not asked of $(PYTHON), which a fresh clone has not got when make reads this.
PROCESSES = $(shell expr 1 + $$(getconf _NPROCESSORS_ONLN))
PYTEST = $(PYTHON) -m pytest --quiet --numprocesses $(PROCESSES) --maxprocesses 8 --dist worksteal

.PHONY: help run test lint bench clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\): .*## /make \1	/p' Makefile

run: ## start EggAPI, embedded, in the foreground; its data is in var/
	@requirements/install base
	@exec $(PYTHON) manage.py serve

# A browser keeps an event loop running in its process, which nobody else's tests would bear.
test: ## run the tests on PostgreSQL and Redis, then on SQLite, then in a browser
	@requirements/install dev
	EGGAPI_TEST_DB=postgres $(PYTEST) --ignore=tests/browser
	EGGAPI_TEST_DB=sqlite $(PYTEST) --ignore=tests/browser -m "not postgres_only and not once"
	EGGAPI_TEST_DB=sqlite $(PYTEST) -rs tests/browser

lint: export EGGAPI_HOME = .mypy_cache/home
lint: ## check style and types
	@requirements/install dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: ## measure speed on PostgreSQL and Redis against a yardstick of the same run
	@requirements/install dev
	@exec $(PYTHON) -m bench

clean: ## remove what the targets above made, but no data
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . \( -path ./.git -o -path ./var \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
