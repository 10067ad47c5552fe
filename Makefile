# `make demo` and `make test` set up everything on a machine that has Python 3.11+, git and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# make demo CT=… [MASK=… [LABEL=…] | SEED="x y z"] [FIDELITY=…] [VERTEBRA=…] [LOAD=…] [OUT=…]; without CT it makes one
CT ?=
MASK ?=
LABEL ?=
SEED ?=
FIDELITY ?=
VERTEBRA ?=
LOAD ?=
OUT ?= demo-output

# make bench [BUSY=1]: cores that something else keeps busy
BUSY ?=

# make faults [JOBS=…] [SEED=…] [MACHINES=1], or make faults RECOVERY=1
JOBS ?=
MACHINES ?=
RECOVERY ?=

# a process more than there are cores, since tests of the service wait a fifth of the time; four at most (each holds the
# bundle: 1.5 GB); a file of tests, with its fixtures, stays in one
CORES := $(shell getconf _NPROCESSORS_ONLN)
TEST_PROCESSES := --numprocesses $(shell echo $$(($(CORES) < 4 ? $(CORES) + 1 : 4))) --dist loadfile --no-loadscope-reorder

# pinned by hand: onnxruntime-gpu cannot be installed beside the CPU build, and the other pins do not depend on torch
PINNED_APART := onnxruntime-gpu==1.31.1 torch==2.13.0

.PHONY: help demo serve docs reference test check fix bench load faults fuzz hostile training template constraints clean

help: ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it or say make PYTHON=/path/to/python"; exit 1; }
	@echo "Making the environment .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing vertebra-stress into .venv ..."
	@$(PIP) --editable ".[cpu]"
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing vertebra-stress and what tests and checks need into .venv ..."
	@$(PIP) --editable ".[cpu,server,otel,dev,offline,docs]"
	@touch .venv/installed $@

demo: .venv/installed ## start the service, run one CT, print the report, download every result
	@$(BIN)/vertebra-stress demo --out "$(OUT)" $(if $(CT),--ct "$(CT)") $(if $(MASK),--mask "$(MASK)") \
		$(if $(LABEL),--label $(LABEL)) $(if $(SEED),--seed $(SEED)) $(if $(FIDELITY),--fidelity $(FIDELITY)) \
		$(if $(VERTEBRA),--vertebra $(VERTEBRA)) $(if $(LOAD),--load $(LOAD))

serve: .venv/installed ## run queue, worker and gateway on this machine
	@$(BIN)/vertebra-stress serve

docs: .venv/installed-dev ## build the documentation; a broken link is an error
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs 2 --conf-dir docs --doctree-dir build/doctrees . build/site
	@echo "documentation: build/site/docs/index.html"

reference: .venv/installed-dev ## write the pages of docs/reference that are made from the code
	@$(BIN)/python -m docs.from_code

test: .venv/installed-dev ## run every test (installs the servers that tests use, where apt-get works)
	@tests/install_servers.sh & servers=$$!; tests/install_torch.sh; wait $$servers
	@$(BIN)/python -m pytest $(TEST_PROCESSES) $(ARGS)

check: .venv/installed-dev docs ## check lint, format, types, and the links of the documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fix: .venv/installed-dev ## repair what lint and format can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/installed-dev ## measure speed and accuracy, also of other programs, BUSY=1 with a core busy; writes bench-output/bench.json
	@tests/install_servers.sh
	@$(BIN)/python -m bench $(if $(BUSY),--busy $(BUSY))

load: .venv/installed-dev ## poll a service while a job computes; writes bench-output/load.json
	@$(BIN)/python -m bench.load

faults: .venv/installed-dev ## run JOBS=200 jobs while parts of the service fail, SEED=…; writes bench-output/faults.json
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults $(if $(JOBS),--jobs $(JOBS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(MACHINES),--machines) $(if $(RECOVERY),--recovery)

fuzz: .venv/installed-dev ## give 100,000 damaged inputs to readers and gateway (20 minutes); writes bench-output/fuzz.json
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(ARGS)

hostile: .venv/installed-dev ## measure memory and time of hostile volumes (20 minutes, 2 GB of disk); writes bench-output/hostile.json
	@$(BIN)/python -m tests.hostile --all $(ARGS)

training: .venv/bin/python ## install what `python -m training` needs (torch, meshers)
	@$(PIP) --editable ".[cpu,training]"

template: .venv/bin/python ## rebuild models/l1 from the source shapes (installs the meshers)
	@$(PIP) --editable ".[mesh]"
	@$(BIN)/python -m training template

constraints: ## resolve every extra again and write the pins
	@rm -rf .venv-pins && $(PYTHON) -m venv .venv-pins
	@.venv-pins/bin/python -m pip install --quiet --editable ".[cpu,server,otel,mesh,offline,dev,docs]"
	@.venv-pins/bin/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools > constraints.txt
	@printf '%s\n' $(PINNED_APART) >> constraints.txt
	@rm -rf .venv-pins

clean: ## remove the environment and every output
	@rm -rf .venv demo-output bench-output var build *.egg-info
