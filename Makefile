# Everything that one does with Kept, from a bare clone with Python 3.11 or newer and make.
# `make` alone lists the targets. The first call sets up .venv from the hashed lock files in requirements/.

BIN := .venv/bin
PYTEST_ARGS ?= -n 2 --dist loadgroup -q
# The first Python that is new enough and can make a virtual environment (Debian ships that apart).
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --root-user-action=ignore
LOCK_ALONE := $(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	--universal --python-version 3.11
LOCK := $(LOCK_ALONE) pyproject.toml

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run demo test check fmt bench chaos chaos-hour test-odoo lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/.stamp-dev ## install everything that development needs into .venv

run: .venv/.stamp-run ## run Kept with a simulated world feeding it orders; Ctrl-C ends it
	@exec $(BIN)/kept up --demo

demo: .venv/.stamp-run ## 500 orders with faults on, then a summary and the audit
	@exec $(BIN)/kept demo

test: .venv/.stamp-dev ## run the tests (PYTEST_ARGS="..." for a choice of them)
	@$(BIN)/pytest $(PYTEST_ARGS)

check: .venv/.stamp-dev ## lint, format, types, import layers, lock files
	@echo "ruff check" && $(BIN)/ruff check --quiet .
	@echo "ruff format" && $(BIN)/ruff format --check --quiet .
	@echo "mypy" && $(BIN)/mypy
	@echo "lint-imports" && $(BIN)/lint-imports
	@echo "check_lock" && $(BIN)/python scripts/check_lock.py

fmt: .venv/.stamp-dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: .venv/.stamp-bench ## measure throughput and latency
	@exec $(BIN)/python -m bench

chaos: .venv/.stamp-dev ## run the full fault campaign
	@$(BIN)/pytest -m "full and not hour" tests/chaos

chaos-hour: .venv/.stamp-dev ## the ERP is down for an hour with 3,000 orders to book
	@$(BIN)/pytest -m "full and hour" tests/chaos

test-odoo: .venv/.stamp-dev ## the ERPs' suite over a real Odoo (docs/guides/odoo.md)
	@$(BIN)/pytest -m odoo tests/erps

lock: .venv/.stamp-dev ## renew requirements/*.txt from pyproject.toml
	@$(LOCK) --group build -o requirements/run.txt
	@$(LOCK) --group build --group dev -c requirements/run.txt -o requirements/dev.txt
	@$(LOCK) --group build --group dev --group bench -c requirements/dev.txt -o requirements/bench.txt
	@$(LOCK_ALONE) --group pyproject.toml:tryton -o requirements/tryton.txt
	@$(BIN)/python scripts/check_lock.py

clean: ## delete .venv, the demo's data and all caches
	@if [ -d .kept ] && [ -x $(BIN)/python ]; then $(BIN)/python -m kept.embedded .kept; fi
	@rm -rf .venv .tryton .kept .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist bench/out tests/judges/node_modules
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment

.venv/.stamp-venv:
	@test -n "$(PYTHON)" || { \
		echo "Kept needs Python 3.11 or newer with venv; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up .venv ..."
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

# A larger set holds the smaller ones at the same versions, so its stamp answers for theirs too.
.venv/.stamp-run: requirements/run.txt pyproject.toml | .venv/.stamp-venv
	$(call install,run,to run Kept)
	@touch $@

.venv/.stamp-dev: requirements/dev.txt requirements/run.txt pyproject.toml | .venv/.stamp-venv
	$(call install,dev,to develop Kept)
	@touch .venv/.stamp-run $@

.venv/.stamp-bench: requirements/bench.txt requirements/dev.txt requirements/run.txt pyproject.toml | .venv/.stamp-venv
	$(call install,bench,to measure Kept)
	@touch .venv/.stamp-run .venv/.stamp-dev $@

# The lock files hold the build backend too, so the package itself needs no index and no isolated build.
define install
@echo "setting up what is needed $(2): about a minute the first time ..."
@$(PIP) --require-hashes -r requirements/$(1).txt
@$(PIP) --no-deps --no-build-isolation --no-index -e .
endef
