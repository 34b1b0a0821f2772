# Every command of the project. `make` alone lists them.

PYTHON ?= python3
VENV   := .venv/bin
NODE   := tests/interop/node
# Two processes is what the smallest machine has cores for; the tests of one file share the stack that they start, so
# they go to one process. One that dies ends the run with a failure: pytest-xdist may wait for ever when it replaces it.
# ARGS adds to pytest's: make test ARGS="-k journal".
ARGS   ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env install demo test lint typecheck format proto conformance session-cases faults sim crash bench bench-quick bench-recovery bench-risk lock node system clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-13s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: ## Create or repair .venv from the lock files (the first time compiles QuickFIX, about two minutes)
	@$(PYTHON) -m ops.bootstrap

install: env ## The same as env

demo: env ## Two venues, the gateway and a strategy in a live view, until Ctrl-C (DEMO_SECONDS=15 ends it by itself)
	@$(VENV)/python -m ops.foreground $(VENV)/python -m ops.demo.run

test: env lint typecheck node ## Lint, type check and run every test
	@$(VENV)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 $(ARGS)

lint: env ## Check style and formatting
	@$(VENV)/ruff check --quiet --output-format=concise .
	@$(VENV)/ruff format --check --quiet .

typecheck: env ## Check types, strictly
	@$(VENV)/mypy --no-error-summary

format: env ## Format the code and fix what can be fixed
	@$(VENV)/ruff check --fix --quiet .
	@$(VENV)/ruff format .

proto: env ## Generate gateway/pb from proto/
	@$(VENV)/python -m ops.generate_pb

conformance: env ## Run the 47 order-state scenarios through core and FIX, and write docs/order-states.md
	@$(VENV)/python -m tests.conformance.page

session-cases: env ## Run the session cases that FIX has for both ends, and write docs/session-cases.md
	@$(VENV)/python -m tests.conformance.session.page

faults: env ## Run the catalogue of faults, and write docs/faults.md
	@$(VENV)/python -m tests.faults.page

sim: env ## Simulate SEEDS worlds of trouble on all cores, from seed FROM on (make sim SEEDS=200 FROM=0)
	@$(VENV)/python -m tests.simulation --seeds $(or $(SEEDS),200) --from $(or $(FROM),0)

# SEED=s repeats a campaign, LANES=n runs so many stacks at a time, JOURNAL=postgres puts the journals into PostgreSQL,
# REPORT=FILE keeps the result in a file, from early on. Ctrl-C ends it in good order; go on with another seed.
crash: env ## Kill gateway and venues at random moments under load, and compare three ledgers: make crash CYCLES=50
	@$(VENV)/python -m ops.foreground $(VENV)/python -m ops.crash.run --cycles $(or $(CYCLES),50) \
		$(if $(SEED),--seed $(SEED)) $(if $(LANES),--lanes $(LANES)) $(if $(JOURNAL),--journal $(JOURNAL)) \
		$(if $(REPORT),--report $(REPORT))

bench: env ## Measure the gateway beside a naive bridge and bare gRPC and FIX, under 10 minutes (REPORT=docs writes docs/performance.md)
	@$(VENV)/python -m ops.foreground $(VENV)/python -m tests.bench.e2e.run $(if $(REPORT),--report $(REPORT))

bench-quick: env ## The comparison alone, in under a minute
	@$(VENV)/python -m ops.foreground $(VENV)/python -m tests.bench.e2e.run --quick

bench-recovery: env ## Measure how long a restart takes and what memory holds, with 10,000 to 1,000,000 events
	@$(VENV)/python -m ops.foreground $(VENV)/python -m tests.bench.recovery

bench-risk: env ## Measure how long all risk checks of one order take, with 100 to 100,000 open orders
	@$(VENV)/python -m tests.bench.risk

# uv lives in an environment of its own for as long as this takes; the project does not depend on it.
# Releases that are locked stay as they are; to move one: make lock ARGS="--upgrade-package NAME", to move all: ARGS=--upgrade.
lock: ## Pin the dependencies of pyproject.toml, with hashes, in requirements.lock and requirements-dev.lock
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && $(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet uv && \
	compile="$$tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $(ARGS)" && \
	$$compile --custom-compile-command "make lock" pyproject.toml -o requirements.lock && \
	$$compile --custom-compile-command "make lock" pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

# What npm installed is written down by npm itself, last of all: the file is there only when everything is.
node: $(if $(wildcard $(NODE)/package.json),$(NODE)/node_modules/.package-lock.json)

$(NODE)/node_modules/.package-lock.json: $(NODE)/package-lock.json
	@command -v npm >/dev/null || { echo "The tests of a client in Node.js need npm. On Debian run, as root: apt-get install -y nodejs npm" >&2; exit 1; }
	@echo "Installing $(NODE) with npm" >&2
	@cd $(NODE) && npm ci --no-audit --no-fund --loglevel=error >&2
	@touch $@

system: ## Install the system packages that are missing (Debian, as root)
	@bash ops/system_packages.sh --install

clean: ## Remove .venv and everything else that was made here (the kept QuickFIX wheel stays)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist $(NODE)/node_modules
	@find . -name __pycache__ -prune -exec rm -rf {} +
