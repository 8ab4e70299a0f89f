# Headwater's commands. Each does the set-up it needs: system packages, uv, Python and npm packages, once.

SHELL := /bin/sh
.SHELLFLAGS := -ec
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/.venv-uv/bin:$(PATH)
export UV_PYTHON_DOWNLOADS := never
# Whoever turns it off has every program compile all of its packages again at each start: seconds, hundreds of times.
unexport PYTHONDONTWRITEBYTECODE
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 18,20,22
export PYTHONPATH := $(CURDIR):$(CURDIR)/containers/ffmpeg-worker:$(CURDIR)/containers/rtmp-ingest:$(CURDIR)/localstack

PYTHON := .venv/bin/python
# Ends with make even when make is killed outright.
LOCALRUN := exec setpriv --pdeathsig TERM -- $(PYTHON) -m localrun

DONE := .build/setup
SETUP := localstack/setup
CHECKED := headwater headwater_client functions containers infra localstack migrations bench tests

# --- What a person runs ---

.PHONY: help demo up down reset admin test check synth cost images bench soak setup setup-tests

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: setup ## set everything up, start the stack, publish a synthetic broadcast, print where to watch it
	@$(LOCALRUN) demo

up: setup ## the stack in the foreground; its data survives a restart
	@$(LOCALRUN) up

down: setup ## stop a stack that runs elsewhere
	@$(LOCALRUN) down

reset: setup ## stop it and wipe its data
	@$(LOCALRUN) reset

admin: setup ## make an administrator of the running stack: make admin username=ana
	@$(LOCALRUN) admin "$(username)"

check: $(DONE)/python $(DONE)/node $(DONE)/checkov ## format, lint, types, layers, security, templates: the fast, static half
	@echo "check: format";       .venv/bin/ruff format --check --quiet .
	@echo "check: lint";         .venv/bin/ruff check --quiet .
	@echo "check: types";        .venv/bin/mypy $(wildcard $(CHECKED))
	@echo "check: layers";       .venv/bin/lint-imports
	@echo "check: pages";        for file in web/*.js; do node --check --input-type=module < $$file; done
	@# Where temporary files lie is judged by ruff (S108), with the reason beside each exception.
	@echo "check: security";     .venv/bin/bandit --quiet --recursive --severity-level medium --skip B108 $(filter-out tests bench,$(wildcard $(CHECKED)))
	@echo "check: templates";    $(PYTHON) -m infra.review
	@echo "check: scripts";      for file in $(SETUP)/system-packages $(SETUP)/uv $(SETUP)/browser $(SETUP)/step .ci/run; do sh -n $$file; done
	@echo "check: everything is fine"

# Most tests wait for media to pass in real time, and for servers to come and go. End to end, a stack keeps one core busy.
PYTEST := .venv/bin/pytest -q --dist loadscope --no-loadscope-reorder

test: setup-tests ## every test: the quick tiers, then end to end on one stack
	@failed=; \
	echo "test: unit, contract, infra, integration"; \
	$(PYTEST) -n 4 tests/unit tests/contract tests/infra tests/integration || failed=yes; \
	echo "test: end to end, on a stack of its own"; \
	$(PYTHON) -m tests.e2e $(PYTEST) -n 2 tests/e2e || failed=yes; \
	test -z "$$failed"

soak: $(DONE)/python ## a hundred thousand generated histories of broadcasts, and as many chat messages
	@HEADWATER_SOAK=1 .venv/bin/pytest -n 2 -q --timeout 3600 tests/unit/test_broadcast_machine.py tests/integration/chat/test_lossless.py

bench: setup-tests ## the figures, each beside its peer's, into bench/RESULTS.md; SECTIONS="latency worker" takes only those
	@$(PYTHON) -m bench $(SECTIONS)

images: $(DONE)/python ## both container images, built and tried, where Docker is
	@$(PYTHON) -m localrun.images

stage ?= local
settings ?= $(if $(filter-out local,$(stage)),infra/settings.example.toml)
code ?= $(if $(filter-out local,$(stage)),none)

synth: setup ## every stack's template into cdk.out/; stage=prod settings=my.toml for another stage
	@node_modules/.bin/cdk synth --quiet --no-notices --no-version-reporting --output cdk.out \
		--context stage=$(stage) $(if $(settings),--context settings=$(settings)) $(if $(code),--context code=$(code))
	@ls cdk.out/*.template.json

cost: $(DONE)/python ## what each stage costs, into docs/cost.md
	@$(PYTHON) -m infra.cost

# --- Set-up, each step once for each version of what it reads ---

setup: $(DONE)/system $(DONE)/python $(DONE)/emulator $(DONE)/node

setup-tests: setup $(DONE)/system-for-tests

$(DONE)/system: $(SETUP)/system-packages $(SETUP)/packages.txt
	@$(SETUP)/system-packages $(SETUP)/packages.txt
	@mkdir -p $(DONE) && touch $@

$(DONE)/system-for-tests: $(SETUP)/system-packages $(SETUP)/test-packages.txt $(SETUP)/browser $(DONE)/python
	@$(SETUP)/system-packages $(SETUP)/test-packages.txt
	@$(SETUP)/browser
	@touch $@

$(DONE)/python: $(DONE)/system pyproject.toml uv.lock $(SETUP)/uv
	@$(SETUP)/uv
	@$(SETUP)/step "Python packages into .venv" uv sync --frozen --quiet
	@touch $@

# MiniStack pins its own botocore; the functions it runs are bundled for the interpreter that both share.
$(DONE)/emulator: $(DONE)/python
	@UV_PROJECT_ENVIRONMENT=.venv-emulator $(SETUP)/step "MiniStack into .venv-emulator" \
		uv sync --frozen --quiet --no-default-groups --only-group emulator --python $(PYTHON)
	@touch $@

# checkov pins a hundred packages; it lives in an environment with a lock of its own.
$(DONE)/checkov: $(DONE)/python infra/checkov/pyproject.toml infra/checkov/uv.lock
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.venv-checkov $(SETUP)/step "checkov into .venv-checkov" \
		uv sync --project infra/checkov --frozen --quiet --python $(PYTHON)
	@touch $@

$(DONE)/node: $(DONE)/system package.json package-lock.json
	@$(SETUP)/step "npm packages into node_modules" npm ci --no-audit --no-fund --loglevel=error
	@touch $@
