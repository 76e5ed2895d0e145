# Every target does its own set-up. `make help` lists them.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

# A shell's PYTHONDONTWRITEBYTECODE would make every start two to three times slower.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
export UV_COMPILE_BYTECODE = 1
export UV_PYTHON_PREFERENCE = system

PY := .venv/bin/python
READY := .venv/.ready
AIRFLOW_READY := .venv-airflow/.ready

help: ## List what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(READY): pyproject.toml uv.lock airflow_bridge/pyproject.toml
	@sh scripts/uv.sh sync --frozen --quiet && touch $@

$(AIRFLOW_READY): uv.lock airflow_bridge/pyproject.toml
	@UV_PROJECT_ENVIRONMENT=.venv-airflow sh scripts/uv.sh sync --frozen --quiet --package airflow-bridge --no-default-groups --group server --group test && touch $@

setup: $(READY) ## Install everything into .venv

demo: $(READY) ## Run the whole platform here until Ctrl-C (ARGS="--days 30 --rate 100")
	@$(PY) -m shop_platform.cli demo $(ARGS)

demo-once: $(READY) ## The same without a terminal; exits 0 only if both invariants hold
	@$(PY) -m shop_platform.cli demo --exit $(ARGS)

# Two processes more than there are cores share the tests, four at least: they often wait for servers.
WORKERS := $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2); [ "$$n" -ge 2 ] || n=2; echo $$((n + 2)))
SHARED := --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

PART = $(if $(SHARD),--shard "$(SHARD)")

test: $(READY) ## Run the tests, with ALL=1 or SHARD=1/3; those that you choose (ARGS="tests/dbt -k money")
	@$(PY) -m pytest $(PART) $(or $(ARGS),$(SHARED) $(if $(filter-out 0,$(ALL)),,-m "not slow"))

test-fast: $(READY) ## Run the tests that start no server, in three minutes
	@$(PY) -m pytest -m fast $(PART) $(or $(ARGS),$(SHARED))

test-slow: $(READY) ## Run the tests that only the gate needs: whole stacks, Airflow, real Kafka, a turned clock
	@$(PY) -m pytest -m slow $(PART) $(or $(ARGS),$(SHARED))

durations: $(READY) ## Keep how long each file took in the last "make test ALL=1" (tests/support/durations.json)
	@$(PY) -m tests.support.durations

test-clocks: $(READY) ## Run what depends on dates around midnights, summer time, 29 February and New Year
	@SHOP_TEST_CLOCKS=all $(PY) -m pytest tests/clocks --numprocesses 2 --dist loadgroup --no-loadscope-reorder $(ARGS)

chaos: $(READY) ## Break everything on purpose, in full doses (ARGS="-k disk"); an hour or so
	@SHOP_TEST_CHAOS=full $(PY) -m pytest tests/chaos $(ARGS)

lint: $(READY) ## Check style, types, SQL, and that generated files are up to date
	@$(MAKE) --no-print-directory -j 2 lint-models lint-code lint-compiled-sql lint-project

lint-code: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy
	@$(PY) -m shop_platform.events.publish --check
	@$(PY) -m grafana.build --check
	@$(PY) -m shop_platform.operations.glossary --check

lint-models: $(READY)
	@cd dbt_project && ../$(PY) -m sqlfluff lint --disable-progress-bar models

lint-compiled-sql: $(READY)
	@$(PY) -m shop_platform.local.lint_sql

lint-project: $(READY)
	@cd dbt_project && ../.venv/bin/dbt --quiet --no-partial-parse parse --profiles-dir . && { told=$$(../.venv/bin/dbt-bouncer run --config-file dbt-bouncer.yml 2>&1) || { echo "$$told" >&2; exit 1; }; }
	@cd dbt_project && { told=$$(DBT_PROJECT_DIR=. DBT_PROFILES_DIR=. ../.venv/bin/mf validate-configs --skip-dw 2>&1) && case "$$told" in *"(ERRORS: 0,"*) ;; *) false ;; esac || { echo "$$told" >&2; exit 1; }; }

bench: $(READY) ## Measure (ONLY=ingest for one part); writes build/bench.json
	@$(PY) -m bench $(if $(ONLY),--only $(ONLY))

docs: $(READY) ## Write the models' documentation as one HTML file (build/docs/models.html)
	@$(PY) -m shop_platform.local.model_docs

slim-ci: $(READY) ## Build and test only the models that differ from a revision (BASE=origin/main)
	@$(PY) -m shop_platform.local.slim_ci $(BASE)

airflow-env: $(AIRFLOW_READY) ## Install Airflow and the bridge into .venv-airflow

airflow-versions: $(READY) ## Build the bridge's wheel and try it in each Airflow that it declares (ARGS="3.1 3.2")
	@$(PY) -m deploy.airflow.try_versions $(ARGS)

airflow: $(READY) $(AIRFLOW_READY) ## Run a real Airflow beside the running demo until Ctrl-C
	@$(PY) -m shop_platform.local.airflow_run

airflow-once: $(AIRFLOW_READY) ## Run the Airflow DAG once against the running demo
	@test -e .shop/stack.env || { echo "No stack is running: start one with 'make demo' in another terminal." >&2; exit 2; }
	@. ./.shop/stack.env && export AIRFLOW_HOME="$(CURDIR)/.shop/airflow" \
		AIRFLOW__CORE__DAGS_FOLDER="$(CURDIR)/airflow_bridge/dags" AIRFLOW__CORE__LOAD_EXAMPLES=False \
		AIRFLOW_CONN_DAGSTER_DEFAULT="dagster://$${SHOP_DAGSTER_URL#http://}" && \
		.venv-airflow/bin/airflow db migrate >/dev/null && .venv-airflow/bin/airflow dags test shop_pipeline

reset: $(READY) ## Remove the embedded stack's data (ARGS=--yes asks nothing)
	@$(PY) -m shop_platform.cli reset $(ARGS)

clean: ## Remove environments, caches and builds (not the data)
	rm -rf .venv .venv-airflow .tools build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help setup demo demo-once test test-fast test-slow durations test-clocks chaos lint lint-code lint-models lint-compiled-sql lint-project bench docs slim-ci airflow-env airflow-versions airflow airflow-once reset clean
