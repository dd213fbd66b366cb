# Two commands do everything: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo study test bench lint kernels lock clean help

help:
	@echo "make demo   set up and run the main job on simulated data"
	@echo "make study  set up for research and judge 500 strategies on 20 years of the S&P 500"
	@echo "make test   set up and pass the tests, with lint and types"
	@echo "make bench  set up peers and print the ratios"
	@echo "make lock   renew the lock files after a change of pyproject.toml"

# The environment is remade whenever a lock file or the project's definition changes.
$(VENV)/core.stamp: requirements/core.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Barograph needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/core.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/research.stamp: $(VENV)/core.stamp requirements/research.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/research.lock
	@touch $@

$(VENV)/dev.stamp: $(VENV)/core.stamp requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

demo: $(VENV)/core.stamp
	$(BIN)/barograph demo

study: $(VENV)/research.stamp
	$(BIN)/barograph research run --data arch:sp500 --strategies 500 --seed 42 --out study --ledger study/ledger

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports

# Once, before many processes want them; with `make -j 2` beside what is still to be installed.
kernels: $(VENV)/core.stamp
	$(BIN)/python -c "from barograph.recorder.warming import warm; warm()"

test: lint kernels
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.run

# uv comes with the dev extra; the lock files hold for every platform and name no index.
lock: $(VENV)/dev.stamp
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements/core.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --extra research -o requirements/research.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --extra dev -o requirements/dev.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 requirements/build.in -o requirements/build.lock

clean:
	rm -rf $(VENV) demo study
