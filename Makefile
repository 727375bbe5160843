# Two commands matter: `make build` does the main job, `make test` runs every test.
# A command of your own goes through the same environment: `make dbt ARGS="run --select pub_company_register_by_area+"`.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
# Size of the synthetic register, up to 3 million; delete data/business_register.parquet to make it anew.
LOCAL_UNITS ?= 200000
BIN := $(VENV)/bin
# The key of restricted.duckdb: from the environment, else from .env (made once, private, ignored by git).
KEYED = set -euo pipefail; if [ -z "$${DBT_ENV_SECRET_SDC_KEY:-}" ]; then set -a; . ./.env; set +a; fi;
DBT = $(BIN)/dbt --no-use-colors
# Left by a whole build that has passed, as of its beginning: the build is current while nothing it was made from is newer.
STAMP = .sdc/built
BEGIN = mkdir -p -m 700 .sdc && rm -f $(STAMP) && touch $(STAMP).begun
END = mv $(STAMP).begun $(STAMP)
INPUTS = models macros seeds tests/generic data dbt_project.yml profiles.yml $(wildcard .env) $(VENV)/.installed
CURRENT = [ -f $(STAMP) ] && [ -f restricted.duckdb ] && [ -f publication.duckdb ] && [ -z "$${SDC_RULE_SETS:-}" ] \
	&& [ -z "$$(find $(INPUTS) python/sdc -newer $(STAMP) ! '(' -path 'python/*' ! -name '*.py' ')' -print -quit)" ]

.PHONY: help install key data build test lint docs bench dbt clean

help:
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

install: $(VENV)/.installed ## make .venv with the locked versions

key: $(VENV)/.installed
	@$(BIN)/python -m sdc.restricted

data: $(VENV)/.installed ## make the synthetic inputs, where they are absent
	@[ -f data/business_register.parquet ] || $(BIN)/python -m sdc.demo.register --local-units $(LOCAL_UNITS) --output data/business_register.parquet
	@[ -f data/companies.parquet ] || $(BIN)/python -m sdc.demo.companies --output data/companies.parquet
	@[ -f data/census_teaching.parquet ] || $(BIN)/python -m sdc.demo.census --output data/census_teaching.parquet
	@[ -f data/technology_survey.parquet ] || $(BIN)/python -m sdc.demo.technology_survey --register data/business_register.parquet --output data/technology_survey.parquet

build: key data ## seeds, models, tests, the gate, the publication and its files
	@$(KEYED) $(BEGIN); $(DBT) build $(ARGS); $(if $(ARGS),,$(END))

test: key data ## every test: Python, dbt data tests and dbt unit tests
	@$(KEYED) $(BIN)/python -m pytest
	@# data tests need built models: those of `make build`, where they are current
	@$(KEYED) strict='{"error": ["NoNodesForSelectionCriteria"]}'; \
		if $(CURRENT); then $(DBT) --warn-error-options "$$strict" test; \
		else $(BEGIN); $(DBT) --warn-error-options "$$strict" build; $(END); fi

lint: $(VENV)/.installed ## ruff and sqlfluff
	$(BIN)/ruff check python tests benchmarks
	$(BIN)/ruff format --check python tests benchmarks
	$(BIN)/sqlfluff lint models analyses

docs: key data ## the dbt docs site, in target/ (internal: it shows compiled SQL)
	@$(KEYED) $(DBT) docs generate --static

bench: $(VENV)/.installed ## speed and quality against peers (benchmarks/RESULTS.md)
	$(BIN)/python -m benchmarks.run $(ARGS)

dbt: key data ## any dbt command: make dbt ARGS="run --select ..."
	@rm -f $(STAMP)
	@$(KEYED) $(DBT) $(ARGS)

clean: ## remove what a build makes, but the key and the publication
	rm -rf target logs .pytest_cache .hypothesis .ruff_cache
