# Every target sets up what it needs: .venv is built from poetry.lock, whose hashes uv checks.
PYTHON ?= python3
BIN := .venv/bin
# Instead of what is locked, lowest-direct or highest installs the lowest or newest versions that pyproject.toml allows.
RESOLUTION :=
# uv installs, and Poetry reads the lock file, each in an environment of its own.
UV := .venv/uv/bin/uv
POETRY := .venv/poetry/bin/poetry
# Test processes share the cores, and LightGBM's threads that wait for one another would take ages.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: setup run s3 test test-long no-files coverage rename chaos simulate bench bench-batch bench-large bench-growth bench-defaults bench-numbers bench-dask bench-database screenshots lint

setup: .venv/ready

run: setup  ## run the whole pipeline and publish the predictions
	$(BIN)/python main.py

s3: setup  ## serve the objects published to the embedded S3
	$(BIN)/python main.py --serve-s3

test: setup  ## the tests of your table, then those of everything else; about six minutes on two cores
	@echo "The tests take about six minutes on two cores."
	$(PYTEST) test/table_test
	$(PYTEST) --numprocesses=auto --dist=worksteal

test-long: setup  ## those that take more minutes: corners and faults of whole runs, copies with another table or name
	$(PYTEST) --numprocesses=auto --dist=worksteal -m long

no-files: setup  ## see that runs with a workspace on S3 write no file (Linux, as root, with strace)
	$(PYTEST) -m long test/integration_test/test_no_files.py

coverage: setup  ## the tests, with the branches that they reach
	$(PYTEST) test/table_test --cov --cov-report=
	$(PYTEST) --numprocesses=auto --dist=worksteal --cov --cov-append --cov-report=term-missing:skip-covered

rename: setup  ## give the project your own name: make rename NAME=your_name
	@PYTHON=$(BIN)/python $(dir $(lastword $(MAKEFILE_LIST)))pipeline_runner/adopt/rename.sh "$$NAME"
	$(BIN)/ruff check --quiet --select I --fix
	$(BIN)/ruff format --quiet

chaos: setup  ## let whole runs meet faults, for a quarter of an hour
	$(BIN)/python test/chaos.py

simulate: setup  ## let sixty days of production pass, with and without trouble
	$(BIN)/python benchmark/simulate_days.py kind
	$(BIN)/python benchmark/simulate_days.py amount

bench: .venv/bench/ready  ## measure whole runs and batches beside other ways to do them; takes half an hour
	.venv/bench/bin/python benchmark/bench.py

bench-batch: .venv/bench/ready  ## measure memory and throughput of batches of ten million rows
	.venv/bench/bin/python benchmark/batch.py

bench-large: .venv/bench/ready  ## measure a run that trains on a million rows beside a plain script; takes ten minutes
	.venv/bench/bin/python benchmark/large.py

bench-growth: setup  ## measure how cost grows with rows, columns, classes, tasks and files
	$(BIN)/python benchmark/growth.py

bench-defaults: setup  ## compare the defaults of training with the parameters of the talk
	$(BIN)/python benchmark/defaults.py

bench-numbers: setup  ## measure the error and the intervals of a number beside a plain script, on 200,000 rows
	$(BIN)/python benchmark/number_target.py

bench-dask: setup  ## measure scoring and training on a Dask cluster
	$(BIN)/python benchmark/dask_cluster.py

bench-database: setup  ## measure the way of ten million rows from a PostgreSQL database and back
	$(BIN)/python benchmark/database.py

screenshots: setup  ## take the screenshots of the documentation
	$(BIN)/python test/take_screenshots.py

lint: setup
	$(POETRY) check --lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict gokart_pipeline_sample pipeline_runner main.py
	$(BIN)/lint-imports --no-logo

LOCKED := --no-deps --require-hashes --requirement .venv/requirements.txt
PACKAGES := $(if $(RESOLUTION),--resolution $(RESOLUTION) --requirement pyproject.toml --all-extras --group dev,$(LOCKED))
# The value of an option that pip is configured with.
pip_option = $(shell for place in :env: install global; do .venv/uv/bin/pip config get $$place.$(1) 2> /dev/null && break; done)

# uv takes packages from the index that pip is configured for, and trusts the certificates that pip trusts.
PIP_SETTINGS = export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(call pip_option,index-url)}" UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true; \
	certificates="$${SSL_CERT_FILE:-$(call pip_option,cert)}"; [ -z "$$certificates" ] || export SSL_CERT_FILE="$$certificates"

.venv/ready: pyproject.toml poetry.lock
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("error: Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13 ...")'
	rm -rf .venv
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/pip install --quiet uv==0.13.9
	@$(PIP_SETTINGS); set -ex; \
	$(UV) venv --quiet --seed --allow-existing --python $(PYTHON) .venv; \
	$(UV) venv --quiet --python $(PYTHON) .venv/poetry; \
	$(UV) pip install --quiet --python .venv/poetry poetry==2.5.1 poetry-plugin-export==1.10.1; \
	$(POETRY) export --quiet --with dev --output .venv/requirements.txt; \
	$(UV) pip install --quiet --python .venv $(PACKAGES); \
	$(UV) pip check --quiet --python .venv; \
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	touch $@

# An environment as production has it: development tools and Dask cost each process up to half a second.
.venv/bench/ready: .venv/ready
	@$(PIP_SETTINGS); set -ex; \
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv/bench; \
	$(POETRY) export --quiet --extras "fast local report" --output .venv/bench/requirements.txt; \
	$(UV) pip install --quiet --python .venv/bench --no-deps --require-hashes --requirement .venv/bench/requirements.txt; \
	$(UV) pip install --quiet --python .venv/bench --no-deps --editable .
	touch $@
