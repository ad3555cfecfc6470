# make setup    everything that the others need, on a fresh Debian 12 with Python 3.11; a second run is immediate
# make test     set-up, lint, every test
# make demo     three brands on this machine; ends by itself with a summary that reconciles
# make simulate 20,000 schedules of the engine with faults between any two steps; every planted bug must be caught
# make fuzz     100,000 hostile records beside a well-behaved brand, through real workers
# make bench    figures: the engine beside other ways of doing its job, the whole pipeline, latency, growth
# make contenders   what of those is not ours: Kafka Streams, Bytewax, Quix Streams
# make torture  300 runs of real workers under faults (about an hour); RUNS=, SEED=; python -m tests.torture --help
# make lint | fix | lock | kafka-sums | clean

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := setup

BIN := .venv/bin
LIBS := deploy/kafka/libs
CODE := $(wildcard schemas streams sinks agents deploy tests benchmarks)

.PHONY: setup system lint fix test demo bench contenders torture simulate fuzz lock kafka-sums clean
.DELETE_ON_ERROR:

setup: system .venv/installed $(LIBS)/classes.jsa
	@$(BIN)/python -m agents.compiled  # a second's fraction unless a source changed

# Debian's packages, only when something is missing.
system:
	@deploy/system.sh

# A lock that changed means an environment made anew: nothing that is not in the lock stays.
.venv/locked: requirements.lock | system
	@echo "setup: Python packages"
	@rm -rf .venv
	@"$$(deploy/system.sh python)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Kafka's jars; each must be the one that SHA256SUMS names, and no other may be there.
$(LIBS)/checked: deploy/kafka/pom.xml deploy/kafka/SHA256SUMS | system
	@echo "setup: Kafka"
	@rm -rf $(LIBS)
	@cd deploy/kafka && mvn --quiet --batch-mode -Dstyle.color=never dependency:copy-dependencies
	@cd $(LIBS) && sha256sum --check --strict --quiet ../SHA256SUMS
	@cd $(LIBS) && LC_ALL=C diff <(ls -- *.jar) <(cut -c67- ../SHA256SUMS) >&2
	@touch $@

# The classes that Kafka loads, noted: it starts in half of the time.
$(LIBS)/classes.jsa: $(LIBS)/checked | .venv/installed
	@$(BIN)/python -m deploy.kafka.classes

lint: setup
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/lint-imports
	$(BIN)/mypy $(CODE)

fix: setup
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# By files, in the order of tests/conftest.py: the longest first.  Three at a time on two cores: part of their time is waiting.
# What holds for any events is tried on the folds as workers run them, compiled; the rest of them as Python, too.
test: lint
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/property
	HUILIU_TEST_COMPILED=1 $(BIN)/pytest -q -n 2 tests/unit tests/property

demo: setup
	@$(BIN)/python -m deploy.demo

bench: setup
	@$(BIN)/python -m benchmarks

simulate: setup
	@$(BIN)/python -m tests.simulation

fuzz: setup
	@$(BIN)/python -m tests.fuzz

# Each in an environment of its own: Quix Streams wants another confluent-kafka than ours.
contenders: .contenders/bytewax/installed .contenders/quixstreams/installed benchmarks/contenders/kafka_streams/target/built

.contenders/%/installed: benchmarks/contenders/%.txt | system
	@rm -rf $(@D)
	@"$$(deploy/system.sh python)" -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r $<
	@touch $@

benchmarks/contenders/kafka_streams/target/built: benchmarks/contenders/kafka_streams/pom.xml $(wildcard benchmarks/contenders/kafka_streams/src/main/java/huiliu/*.java) | system
	@cd benchmarks/contenders/kafka_streams && mvn --quiet --batch-mode -Dstyle.color=never package dependency:copy-dependencies
	@touch $@

torture: setup
	@$(BIN)/python -m tests.torture --runs $(or $(RUNS),300) --seed $(or $(SEED),1)

lock: setup
	deploy/lock.sh

kafka-sums:
	cd deploy/kafka && rm -rf libs && mvn --quiet --batch-mode -Dstyle.color=never dependency:copy-dependencies && cd libs && LC_ALL=C sha256sum -- *.jar > ../SHA256SUMS

clean:
	rm -rf .venv .compiled .contenders benchmarks/contenders/kafka_streams/target $(LIBS) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
