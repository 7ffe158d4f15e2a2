# `make help` lists the targets: it reads the `##` comments below.
PYTHON ?= python3
VENV := .venv/bin
# What `make check` runs: it ignores what runs Airflow or Java, and what tries many combinations or faults.
FAST_TESTS := tests/test_walls.py tests/test_without_airflow.py tests/settings tests/pipeline tests/cli \
  $(addprefix --ignore-glob=*/,test_history*.py test_preview*.py test_contract*.py test_quote_modes*.py test_matrix*.py \
  test_same_bytes*.py test_read_back*.py test_streamed*.py pipeline/site/* pipeline/upload/*) \
  -k "not 4_gib and not 16_bits and not memory_stays_bounded"

.DEFAULT_GOAL := help
.PHONY: help run up check test bench soak lint format lock setup clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: ## Deliver two queries' results to a stand-in site on this machine, show what arrived, stop
	@$(PYTHON) -m demo.install --for run
	@$(VENV)/python -m demo run

up: ## The same, but leave Airflow and its UI running until Ctrl-C
	@$(PYTHON) -m demo.install --for run
	@$(VENV)/python -m demo up

check: setup lint ## Run the checks and the tests that are fast: no Airflow, browser, Java or long fault runs
	$(VENV)/pytest --numprocesses 2 --dist loadgroup $(FAST_TESTS)

test: setup lint ## Install what is missing, then run every check and every test
	$(VENV)/pytest --numprocesses 3 --dist loadgroup

soak: setup ## Deliver 200 files in a row over a line that breaks one connection in five
	$(VENV)/pytest tests/faults/test_soak.py --soak 200 --capture no

bench: setup ## Measure deliveries against a shell pipeline and pandas (ROWS=2000000 RUNS=5 ONLY=words DOCS=1 RESUME=1)
	$(VENV)/python -m bench

lint: setup ## Check style, formatting, types and the imports between packages
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports --no-cache --no-logo

format: setup ## Format the code
	$(VENV)/ruff check --fix-only
	$(VENV)/ruff format

lock: setup ## Regenerate requirements.lock from requirements.txt and requirements-dev.txt
	$(VENV)/uv pip compile --universal --python-version 3.11 requirements-dev.txt \
	  --generate-hashes --no-emit-index-url -o requirements.lock

setup: # what the targets above need: .venv and, as root, the Debian packages in packages.txt and packages-dev.txt
	@$(PYTHON) -m demo.install --for test

clean: ## Delete the demo (.demo), the virtual environment (.venv) and the checkers' caches
	rm -rf .demo .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
