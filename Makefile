# The one list of commands. `make help` prints it; CONTRIBUTING.md explains it.
SHELL := /bin/bash
PYTHON ?= python3
export PYTHON
RUN := .venv/bin/python
ARGS ?=
REGISTRY ?=
TAG ?=
LINE ?= 4.3

.DEFAULT_GOAL := help
.PHONY: help venv run test test-unit test-integration test-brokers test-contract test-e2e test-long lint format lock cluster cluster-down \
	images deploy undeploy check-bare chart test-faults soak soak-disk bench-tasks bench-autoscaler bench-keda bench-scaling \
	bench-validation clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | column -t -s "$$(printf '\t')"

# Some machines forbid Python to write bytecode: there each of pytest's processes would compile every test anew.
test test-unit test-contract: export PYTHONDONTWRITEBYTECODE :=

run: ## start everything as local processes, train a model, predict with it (ARGS=--once: and stop)
	@tools/bootstrap.sh run
	@exec $(RUN) -m tools.stack run $(ARGS)

venv: ## the development environment, in .venv
	@tools/bootstrap.sh dev

test: venv ## every test: unit, integration, contract and, on a real Kubernetes, end to end
	@$(RUN) -m tools.suite

test-unit: venv ## the fast tests
	@$(RUN) -m pytest tests/unit examples -q -n auto --dist worksteal $(ARGS)

test-integration: venv ## tests against real servers
	@$(RUN) -m tools.suite servers cluster integration alone

test-brokers: venv ## what speaks to the broker, on RabbitMQ 4.3 of Debian sid (LINE=3.10, LINE=4.0: on another)
	@$(RUN) -m tools.stack.prepare $(LINE)
	@$(RUN) -m pytest tests/integration/core tests/integration/consumer --rabbitmq $(LINE) -q \
		--ignore-glob '*/test_records*' --ignore-glob '*/test_s3*' $(ARGS)

test-contract: venv ## tests across seams: chart, permissions, dashboards, examples
	@$(RUN) -m pytest tests/contract -q -n auto $(ARGS)

test-e2e: venv ## tests on the local cluster
	@$(RUN) -m tools.suite cluster images load e2e

test-long: venv ## what takes minutes because something has to lapse, on the local cluster
	@$(RUN) -m tools.suite cluster images load
	@$(RUN) -m pytest tests/e2e -m long

lint: venv ## what pre-commit and CI check
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy core producer consumer operator tools tests benchmarks examples
	@.venv/bin/lint-imports
	@$(RUN) -m tools.chart check

format: venv ## lay the code out
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

lock: venv ## compile requirements/*.txt from pyproject.toml
	@tools/lock.sh

cluster: venv ## a local Kubernetes (kind where a Docker daemon answers)
	@$(RUN) -m tools.cluster up

cluster-down: venv ## take it down
	@$(RUN) -m tools.cluster down

images: venv ## build the images (REGISTRY=registry.example.com/team pushes them there)
	@$(RUN) -m tools.images build $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(TAG),--tag $(TAG))
	@$(if $(REGISTRY),$(RUN) -m tools.images push --registry $(REGISTRY) $(if $(TAG),--tag $(TAG)))

deploy: venv ## build the images and install the chart into the current context (ARGS="--registry ...")
	@$(RUN) -m tools.deploy $(ARGS)

check-bare: ## make run ARGS=--once in a fresh debootstrap chroot with empty caches
	@exec $(PYTHON) -m tools.bare

test-faults: venv ## each fault once under 1,000 tasks in flight, about ten minutes
	@$(RUN) -m tests.soak --each $(ARGS)

soak: venv ## faults at random under load (ARGS="--seconds 600 --seed 4711", or "--each")
	@$(RUN) -m tests.soak $(ARGS)

soak-disk: venv ## delayed messages in rounds: the broker's disk comes back
	@$(RUN) -m tests.soak.disk $(ARGS)

bench-tasks: venv ## submits and finished tasks per second, beside peers
	@$(RUN) -m benchmarks.tasks $(ARGS)

bench-autoscaler: venv ## rehearsed scaling, beside KEDA's and a clairvoyant's
	@$(RUN) -m benchmarks.autoscaler $(ARGS)

bench-keda: venv ## the rehearsal's model of KEDA, beside KEDA itself; a quarter of an hour (ARGS="--seconds 120")
	@$(RUN) -m benchmarks.keda $(ARGS)

bench-scaling: venv ## wakes from zero and scale-downs under load, 20 times each, on the local cluster
	@$(RUN) -m tools.suite cluster images load
	@$(RUN) -m pytest tests/e2e/test_scaling.py --rounds 20 -q $(ARGS)

bench-validation: venv ## a rehearsal of the operator, beside the operator on the local cluster; ten minutes
	@$(RUN) -m tools.suite cluster images load
	@$(RUN) -m pytest tests/e2e/test_rehearsal.py -q $(ARGS)

clean: ## remove .venv and what tools left in the checkout
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis benchmarks/out
	@find . -name __pycache__ -prune -exec rm -rf {} +
