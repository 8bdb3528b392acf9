# Everything a newcomer needs: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help install demo test lint fix bench soak lock clean
.DELETE_ON_ERROR:

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := .venv/.installed
DEV := .venv/.installed-dev
CODE := src tests examples bench
# Only what is there: a folder may come later.
FILES = $(wildcard $(CODE))

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /: /' | awk -F ': ' '{printf "  make %-8s %s\n", $$1, $$2}'

install: $(CORE) ## .venv with kept and kept-verify, nothing else
	@echo "Installed: $(BIN)/kept and $(BIN)/kept-verify"

demo: $(CORE) ## one company, its policy and one person's life, served on 127.0.0.1 (Ctrl-C stops it)
	@exec $(BIN)/kept demo

test: $(DEV) ## format, lint, types, and all tests
	@tools/setup system
	@$(MAKE) --no-print-directory lint
	@exec $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not soak'

lint: $(DEV) ## format, lint and types only
	@$(BIN)/ruff format --check $(FILES)
	@$(BIN)/ruff check $(FILES)
	@$(BIN)/mypy
	@$(BIN)/mypy --explicit-package-bases examples

fix: $(DEV) ## let the formatter and the linter mend what they can
	@$(BIN)/ruff check --fix $(FILES)
	@$(BIN)/ruff format $(FILES)

bench: $(DEV) ## every benchmark as a ratio (`kept bench NAME` runs one)
	@for each in bench/[a-z]*.py; do $(BIN)/python "$$each" || exit 1; done

soak: $(DEV) ## the tests that run for hours; stopped, they go on (KEPT_SOAK_ROUNDS, KEPT_SOAK_SEED)
	@tools/setup system
	@exec $(BIN)/pytest -m soak

# Versions and hashes of everything installed; no address of any index is written down.
LOCK := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --no-config --generate-hashes \
	--strip-extras --allow-unsafe --build-deps-for editable --annotation-style line \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
lock: $(DEV) ## renew requirements.lock and requirements-dev.lock from pyproject.toml
	@$(PIP) install --quiet pip-tools
	@$(LOCK) --upgrade -o requirements.lock pyproject.toml
	@$(LOCK) --upgrade --extra lake --extra mariadb --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove whatever make has made, .venv too
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo
	find src tests examples bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp is newer than what it was made from, so a second `make` does nothing.
$(CORE): requirements.lock pyproject.toml tools/setup
	@tools/setup venv
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(DEV): requirements-dev.lock $(CORE)
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
