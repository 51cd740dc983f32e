# Two commands on a fresh Debian or Ubuntu machine: `make demo`, `make test`.
# Both install what they need (apt, a virtual environment in .venv) and say what they do.

VENV    := .venv
PYTHON  ?= python3
BIN     := $(VENV)/bin
APT     := $(shell cat packages.apt 2>/dev/null | grep -v '^\#')
APT_TEST:= $(shell cat packages-test.apt 2>/dev/null | grep -v '^\#')
SUDO    := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
TESTS   ?= tests
WORKERS ?= 2

.PHONY: help demo test exhaustive check format bench clean

help:            ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.venv/apt-stamp: packages.apt
	@echo "==> Installing Debian packages: $(APT)"
	@missing="$$(for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done)"; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -q --no-install-recommends $$missing; fi
	@mkdir -p $(VENV) && touch $@

.venv/apt-test-stamp: packages-test.apt .venv/apt-stamp
	@echo "==> Installing Debian packages for the tests: $(APT_TEST)"
	@missing="$$(for p in $(APT_TEST); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done)"; \
	if [ -n "$$missing" ]; then $(SUDO) apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -q --no-install-recommends $$missing; fi
	@touch $@

.venv/stamp: pyproject.toml .venv/apt-stamp
	@echo "==> Installing the verifier into $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev-stamp: .venv/stamp
	@echo "==> Installing the development tools into $(VENV)"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

DEMO := demo-out

# A Debian root is made as root; the build itself runs as an unprivileged user in the sandbox.
demo: .venv/stamp   ## rebuild Debian's shim from source and prove Microsoft's signed one
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	@echo "==> 1 of 2: Debian's package 'tree', from its source package (policy standard)"
	@$(SUDO) $(BIN)/verifier verify fixtures/specs/tree.toml --output $(DEMO)/tree \
		--rebuilds 1 --json $(DEMO)/tree.report.json --proof $(DEMO)/tree.proof.json
	@echo "==> 2 of 2: the shim that Microsoft signed, from Debian's source (policy strict)"
	@$(SUDO) $(BIN)/verifier verify fixtures/specs/shim.toml --policy strict --output $(DEMO)/shim \
		--rebuilds 1 --json $(DEMO)/shim.report.json --proof $(DEMO)/shim.proof.json \
		--html $(DEMO)/shim.html
	@echo "==> The saved proof, re-checked by a program that shares no code with what made it"
	@$(BIN)/python -I verifier/check.py $(DEMO)/shim.proof.json \
		$(DEMO)/shim/shipped/shimx64.efi $(DEMO)/shim/rebuilt/shimx64.efi
	@echo "==> Reports, proofs, build logs and both sides of each pair: $(abspath $(DEMO))"
	@echo "==> To read it in a browser: $(abspath $(DEMO))/shim.html"

test: .venv/dev-stamp .venv/apt-test-stamp   ## run all tests, with coverage
	$(BIN)/python -m pytest $(TESTS) -n $(WORKERS) --dist worksteal -m "not exhaustive" \
		--durations=15 --cov --cov-report=term:skip-covered

exhaustive: .venv/dev-stamp .venv/apt-test-stamp   ## flip every byte of many files (hours)
	$(BIN)/python -m pytest $(TESTS) -n $(WORKERS) -m exhaustive

check: .venv/dev-stamp .venv/apt-test-stamp  ## format, lint, types, rules, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/verifier rules lint
	$(MAKE) --no-print-directory test

format: .venv/dev-stamp   ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev-stamp .venv/apt-test-stamp   ## measure; figures go into bench/README.md
	$(BIN)/python -m bench

clean:           ## remove what was built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
