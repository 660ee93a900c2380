# Everything runs inside .venv, which `make install` makes from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
# The peers of the benchmark need other versions of some packages: their own folder, which sees .venv's.
PEERS := .venv-bench
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))')
KILLS ?= 200
SEED ?= 0
MINUTES ?= 75
REQUESTS ?= 20000

.PHONY: help install demo serve test test-fast test-hostile test-compose locks images image-size reference lint clean chaos own-data two-hosts fuzz load first-paint scaling fan-out memory time-left bench bench-attacks study study-full

help:  ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(STAMP)  ## Make .venv and install everything

$(STAMP): pyproject.toml constraints.txt tests/judges.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/judges --requirement tests/judges.txt
	touch $@

demo: $(STAMP)  ## Start the service, run consistent tuning beside plain transfer and CARTL, print the report, stop
	$(BIN)/cartl demo

serve: $(STAMP)  ## Start the service and leave it running
	$(BIN)/cartl up

test: $(STAMP) lint  ## Every check and test; tests that wait for servers leave room for one process more than there are processors
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder --ignore tests/long

test-fast: $(STAMP)  ## Tests that need no server and no training: under two minutes on two cores
	$(BIN)/python -m pytest --numprocesses auto --dist loadscope -m "not slow"

test-hostile: $(STAMP)  ## OPTIONS of pytest (the fast tests) twice, with strange settings, proxies, locale, HOME, umask, time zone
	$(BIN)/python -m tests.hostile $(or $(OPTIONS),-m "not slow")

chaos: $(STAMP)  ## Kill everything at random, KILLS times from SEED within MINUTES, and print the table
	$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --minutes $(MINUTES)

images:  ## Images of the stack with the commit in them, which reports name; OPTIONS go to Compose (--profile gpu)
	CARTL_COMMIT="$$(git describe --always --exclude '*' --abbrev=40 --dirty=-changed)" docker compose $(OPTIONS) build

test-compose: $(STAMP)  ## The Docker stack: up, killed midway, removed (needs a Docker engine, or root on Debian)
	$(BIN)/python docker/test

locks: $(STAMP)  ## What images are installed from (docker/requirements) anew, with the hash of every file
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[locks]'
	$(BIN)/python -m tools.locks

image-size: $(STAMP)  ## What we add to the base of the API's image, by package: at most 150 MB
	$(BIN)/python -m tools.image_size

own-data: $(STAMP)  ## 1,200 photographs and a published teacher to a student in ONNX, with the real command (minutes)
	$(BIN)/python -m pytest tests/long/test_own_data.py

two-hosts: $(STAMP)  ## A job over three hosts that share a database and a bucket alone, two of them killed (minutes)
	$(BIN)/python -m pytest tests/long/test_two_hosts.py

fuzz: $(STAMP)  ## Generate REQUESTS (20000) from SEED over the whole OpenAPI document, and judge each answer
	$(BIN)/python -m benchmarks.fuzz --requests $(REQUESTS) --seed $(SEED)

load: $(STAMP)  ## POST and GET under load on PostgreSQL, beside a bare service in the same run
	$(BIN)/python -m benchmarks.load

first-paint: $(STAMP)  ## How long the list of 10,000 jobs takes to show in Chromium, on PostgreSQL with keys (OPTIONS are passed on)
	$(BIN)/python -m benchmarks.first_paint $(OPTIONS)

scaling: $(STAMP)  ## What calls of the record cost PostgreSQL, and a simulated fleet with these costs (OPTIONS are passed on)
	$(BIN)/python -m benchmarks.scaling --out benchmarks/results/scaling.json $(OPTIONS)

fan-out: $(STAMP)  ## An attack in four parts on 1 and 2 slots of one thread: wall times (OPTIONS are passed on)
	$(BIN)/python -m benchmarks.fan_out $(OPTIONS)

memory: $(STAMP)  ## Peak of anonymous memory on 50,000 images of 224 x 224: under 3 GiB (20 GB of disk; OPTIONS are passed on)
	$(BIN)/python -m benchmarks.memory --work $(or $(WORK),.cartl/memory) $(OPTIONS)

time-left: $(STAMP)  ## How far the time left is off over twenty jobs, beside what else the machine does (OPTIONS are passed on)
	$(BIN)/python -m benchmarks.time_left $(OPTIONS)

bench: $(STAMP)  ## Ratios to plain loops, by turns in one run, and their table on its page (OPTIONS are passed on)
	$(BIN)/python -m benchmarks.ratios $(OPTIONS)
	$(BIN)/python -m benchmarks.ratios --page

bench-attacks: $(PEERS)/installed  ## Our attacks beside other libraries'; networks are kept in BENCH (.cartl/bench), OPTIONS are passed on
	OMP_NUM_THREADS=1 $(PEERS)/bin/python -m benchmarks.attacks --networks $(or $(BENCH),.cartl/bench) \
	  --data-root $(or $(DATA),.cartl/data) --out benchmarks/results/attacks.json $(OPTIONS)

$(PEERS)/installed: $(STAMP) benchmarks/peers.txt
	$(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > $$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/shared.pth
	$(PEERS)/bin/python -m pip install --quiet --no-deps --requirement benchmarks/peers.txt
	touch $@

study: $(STAMP)  ## One pair and one seed of the study anew, minutes; teachers are kept in WORK (.cartl/study)
	$(BIN)/python -m cartl_core fetch fashion_mnist --data-root $(or $(DATA),.cartl/data)
	$(BIN)/python -m study run --pair fashion-high-low --seed 0 --k 6 --rounds 1 \
	  --work $(or $(WORK),.cartl/study) --data-root $(or $(DATA),.cartl/data) --results $(or $(WORK),.cartl/study)/results
	$(BIN)/python -m study show --results $(or $(WORK),.cartl/study)/results

study-full: $(STAMP)  ## What is left of the study's plan: hours; rows go to study/results, OPTIONS are passed on
	for part in run strongest radii; do $(BIN)/python -m study $$part \
	  --work $(or $(WORK),.cartl/study) --data-root $(or $(DATA),.cartl/data) $(OPTIONS) || exit; done
	$(BIN)/python -m study.tables
	$(BIN)/python -m study.figures

reference: $(STAMP)  ## The pages of docs/reference and the picture of the architecture anew, from the code
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.picture

lint: $(STAMP)  ## Style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## Remove .venv and caches
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
