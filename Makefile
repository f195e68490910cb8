# The one command list, for people and for CI: `make help` shows it.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
GO_TOOLS := .interop

# The demo: whole size in MiB, or a folder of your own instead.
SIZE ?= 1024
MODEL ?=
# More arguments for pytest, such as ARGS="-k wheel -x".
ARGS ?=

# The oldest Python kitfast supports is 3.10; the first good one is taken.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.10; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$name && break; done)

# rustup's cargo in an empty home finds no toolchain; the one it came with lies beside it.
ifeq ($(shell cargo --version 2>/dev/null),)
CARGO_ROOT := $(dir $(abspath $(dir $(shell command -v cargo))))
RUSTUP_FOUND := $(firstword $(wildcard $(CARGO_ROOT)../.rustup $(CARGO_ROOT)../rustup))
ifneq ($(RUSTUP_FOUND),)
export RUSTUP_HOME := $(abspath $(RUSTUP_FOUND))
endif
endif

# One interpreter for every build, or cargo would build the binding twice.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST_SOURCES := Cargo.toml Cargo.lock $(wildcard rust/*/Cargo.toml) $(shell find rust/core rust/py -name '*.rs')
PYTHON_SOURCES := pyproject.toml README.md LICENSE $(shell find python/kitfast -name '*.py' -o -name '*.pyi' -o -name py.typed)

# What builds and runs the images, and what they stand on where it is not the usual.
ENGINE ?= $(shell command -v podman || command -v docker)
PYTHON_IMAGE ?=
COSIGN_IMAGE ?=
IMAGE_ARGS := $(foreach name,PYTHON_IMAGE COSIGN_IMAGE,$(if $($(name)),--build-arg $(name)=$($(name))))

.PHONY: help setup test demo wheel images interop test-slow test-images bench bench-pack bench-unpack bench-limited bench-hash docs format lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r name text; \
		do printf 'make %-13s %s\n' "$$name" "$$text"; done

setup: $(STAMPS)/core ## make .venv: locked dependencies and a release build of the core

test: setup ## run the whole quick suite, Rust and Python
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --package kitfast-core --locked --quiet
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest --concise --allowlist tests/data/stubtest.txt kitfast._core
	$(BIN)/python docs/map.py --check
	$(BIN)/python -m pytest -m "not slow and not interop and not images" $(ARGS)

demo: setup $(STAMPS)/demo ## pack, push, pull and unpack a real model (SIZE=MiB, or MODEL=folder)
	$(BIN)/python demo/run.py --size-mib $(SIZE) $(if $(MODEL),--model "$(MODEL)")

wheel: $(STAMPS)/wheel ## build the abi3 wheel into dist/
	@ls dist/*.whl

images: wheel ## build the three container images (ENGINE=podman or docker)
	@test -n "$(ENGINE)" || { echo "error: make images needs podman or docker on PATH"; exit 1; }
	for name in kitfast kitfast-init kitfast-kserve; do \
		$(ENGINE) build --tag localhost/$$name --file containers/$$name.Containerfile $(IMAGE_ARGS) . || exit 1; done

interop: setup $(GO_TOOLS)/stamp ## exchange kits with oras, crane and cosign, run OCI's suite (needs Go)
	PATH="$(CURDIR)/$(GO_TOOLS)/bin:$$PATH" $(BIN)/python -m pytest -m interop $(ARGS)

test-slow: setup $(STAMPS)/demo ## run the tests too slow for the quick suite: huge files, peak memory
	$(BIN)/python -m pytest -m slow $(ARGS)

test-images: setup ## run the images that `make images` built, as a cluster would (ENGINE=podman)
	ENGINE="$(ENGINE)" $(BIN)/python -m pytest -m images $(ARGS)

bench-pack: setup ## measure packing and verifying beside kit (ARGS="--case zstd --scale 0.25")
	$(BIN)/python benches/pack.py $(ARGS)

bench-unpack: setup ## measure unpacking from the store beside kit and cp, on XFS and ext4
	$(BIN)/python benches/unpack.py $(ARGS)

bench-limited: setup ## measure unpacking under 1 GiB of memory (ARGS="--folder DIR", a disk with 45 GB)
	$(BIN)/python benches/limited.py $(ARGS)

bench-hash: setup ## measure SHA-256 on one core beside OpenSSL's
	$(BIN)/python benches/hash.py $(ARGS)

bench: setup ## measure kitfast beside the peers found on PATH (ARGS="--rounds 3")
	$(BIN)/python benches/versus/run.py $(ARGS)

docs: $(STAMPS)/locked ## write docs/map.md anew from the first line of every file
	$(BIN)/python docs/map.py

format: $(STAMPS)/locked ## format Rust and Python and repair what the linter can
	cargo fmt --all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve pyproject.toml anew into requirements/*.txt
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet uv==0.13.9
	for part in runtime:pyproject.toml dev:"--group develop --constraint requirements/runtime.txt pyproject.toml" \
		demo:"--no-deps --group pyproject.toml:demo"; do \
		$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes \
			--custom-compile-command "make lock" --output-file requirements/$${part%%:*}.txt $${part#*:} || exit 1; done
	rm -rf $(VENV)-lock

clean: ## remove everything that was built or installed here
	rm -rf $(VENV) $(VENV)-lock $(GO_TOOLS) dist target .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f python/kitfast/_core*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the targets above stand on; each is made again only when its sources changed.

$(STAMPS)/locked: requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "error: kitfast needs Python 3.10 or newer on PATH"; exit 1; }
	@cargo --version >/dev/null || { echo "error: kitfast needs a Rust toolchain on PATH (cargo)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements/dev.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/demo: requirements/demo.txt $(STAMPS)/locked
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements/demo.txt
	@touch $@

$(STAMPS)/core: $(STAMPS)/locked pyproject.toml $(RUST_SOURCES)
	PIP_QUIET=1 $(BIN)/maturin develop --release --locked
	@touch $@

$(STAMPS)/wheel: $(STAMPS)/core $(PYTHON_SOURCES)
	rm -rf dist
	$(BIN)/maturin build --release --locked --interpreter $(BIN)/python --out dist
	@touch $@

GO_PACKAGES := oras.land/oras/cmd/oras@v1.3.3 \
	github.com/google/go-containerregistry/cmd/crane@v0.21.9 \
	github.com/sigstore/cosign/v3/cmd/cosign@v3.1.2 \
	github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111

$(GO_TOOLS)/stamp: Makefile
	@command -v go >/dev/null || { echo "error: make interop needs Go on PATH"; exit 1; }
	@mkdir -p $(GO_TOOLS)/bin
	export GOBIN="$(CURDIR)/$(GO_TOOLS)/bin" CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false; \
		for package in $(GO_PACKAGES); do go install "$$package" || exit 1; done
	@touch $@
