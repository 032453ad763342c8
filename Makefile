# Everything that is done with this project; each target installs what it needs into .venv and builds what has changed.
.DEFAULT_GOAL := help
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
# The first Python that is new enough; `make PYTHON=python3.13 ...` takes another one.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)
COUNT ?= 20000
SEED ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 1
# The interpreter that the native module is built for, also when clippy reads it.
export PYO3_PYTHON := $(abspath $(BIN)/python)

.PHONY: help
help: ## Show what there is.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: serve
serve: $(VENV)/.built ## Build, and serve examples/plain; the URL is printed. PORT=8080 make serve takes another port.
	@exec $(BIN)/dragoman app:app --chdir examples/plain

# These two at a time; the others measure, or have servers that all of them share. 5 is "none of that name".
SIDE_BY_SIDE := $(addprefix tests/,apps contract middleware unit web)

.PHONY: test
test: $(VENV)/.equipped ## Build, and run all tests, Rust's and Python's. ARGS="-k drain" goes to pytest.
	cargo test --quiet
ifneq ($(filter tests/%,$(ARGS)),)
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -n 2 --dist loadfile $(SIDE_BY_SIDE) $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest $(SIDE_BY_SIDE:%=--ignore=%) $(ARGS) || [ $$? -eq 5 ]
endif

# In a target directory of its own, because every crate is built anew; without the optimiser's last minutes, which models
# do not need. The library alone: nothing else has models.
.PHONY: loom
loom: need ## Explore the hand-over's models (minutes). LOOM_MAX_PREEMPTIONS=4 make loom explores more of them.
	RUSTFLAGS='--cfg loom' CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		cargo test --quiet --release --package dragoman-engine --lib --target-dir target/loom handover::models $(ARGS)

.PHONY: hostile
hostile: $(VENV)/.equipped ## Attack it for about ten minutes, with slowhttptest too. ARGS="-k slow-heads" chooses.
	@command -v slowhttptest >/dev/null || apt-get install -y -qq slowhttptest || { \
		echo 'make: slowhttptest is needed; on Debian and Ubuntu: apt-get install slowhttptest' >&2; exit 1; }
	DRAGOMAN_TEST_LONG=1 $(BIN)/python -m pytest tests/hostile $(ARGS)

.PHONY: check
check: $(VENV)/.equipped ## Formats, lints and types of everything.
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	@# Packages of their own, built rarely: their lock files have to fit what they are built from.
	for package in fuzz bench/client; do cargo metadata --quiet --locked --format-version 1 --manifest-path $$package/Cargo.toml >/dev/null || exit 1; done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: docs
docs: $(VENV)/.built ## Write the pages of docs/ that come from tables in the code.
	$(BIN)/python docs/generate.py

.PHONY: bench
bench: need ## Compare with other servers (minutes; the table lands in bench/out), and with other frameworks. ARGS=--quick
	$(PYTHON) bench/setup.py
	bench/.venv/bin/python bench/run.py $(ARGS)
	bench/.venv/bin/python bench/web.py

.PHONY: bench-instructions
bench-instructions: need ## Count the instructions of a request with valgrind.
	$(PYTHON) bench/setup.py
	bench/.venv/bin/python bench/instructions.py $(ARGS)

# Without a wheel of Atheris for this Python the Python targets get random inputs, and say so.
.PHONY: fuzz
fuzz: SECONDS_EACH ?= 60
fuzz: $(VENV)/.built ## Fuzz each target, SECONDS_EACH=60 long, with AddressSanitizer. ARGS="head engine" takes some.
	@command -v c++ >/dev/null || { echo 'make: a C++ compiler is needed for libFuzzer; on Debian: apt-get install g++' >&2; exit 1; }
	@$(BIN)/python -m pip install --only-binary :all: atheris || echo 'make: no atheris here: inputs of the Python targets are random' >&2
	@$(BIN)/python fuzz/run.py --seconds $(SECONDS_EACH) $(ARGS)

.PHONY: differential
differential: $(VENV)/.equipped ## Compare with other servers what is read of mutated requests (minutes). COUNT=2000 SEED=7 are possible.
	$(BIN)/python -m tests.differential --count $(COUNT) --seed $(SEED)

.PHONY: clean
clean: ## Remove the environment and everything that was built.
	rm -rf $(VENV) target dist bench/.venv bench/client/target bench/out
	rm -rf fuzz/target fuzz/artifacts fuzz/corpus fuzz/corpus-seed
	rm -f python/dragoman/_native*.so
	find . -name __pycache__ -prune -exec rm -rf {} +

# What has to be on the machine already, said in a sentence where it is not.
.PHONY: need
need:
	@test -n '$(PYTHON)' || { echo 'make: Python 3.10 or newer is needed, and none is on the PATH.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@command -v cargo >/dev/null || { \
		echo 'make: a Rust toolchain (cargo 1.85 or newer) is needed; https://rustup.rs installs one.' >&2; exit 1; }
	@cargo --version | awk '{ split($$2, v, "."); exit !(v[1] > 1 || v[2] >= 85) }' || { \
		echo "make: cargo 1.85 or newer is needed, this is $$(cargo --version); rustup update brings it." >&2; exit 1; }
	@command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || { \
		echo 'make: a C compiler is needed to link; on Debian and Ubuntu: apt-get install build-essential' >&2; exit 1; }

# The stamps below are what makes a second run quick. `need` is no file and always runs, so it stands behind a bar.
$(VENV)/.made: pyproject.toml | need
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install 'maturin>=1.9,<2'
	@touch $@

# An editable installation: changed Python files are in effect at once, only Rust's have to be built.
$(VENV)/.built: $(VENV)/.made $(RUST_SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet
	@touch $@

$(VENV)/.equipped: $(VENV)/.built
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet --extras test,check
	@touch $@
