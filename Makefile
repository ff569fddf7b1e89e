# Everything below needs only Python 3.11, pip and make.  `make` alone lists the targets.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo demo-language language test test-processors test-server lint format docs examples bench milvus milvus-stop constraints clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## create .venv and install likewise with every extra

# Renewed whenever the dependencies change.  The pip that Python 3.11 brings is too old to pin the
# build backend, so the pinned pip comes first.
$(STAMP): pyproject.toml constraints.txt
	@echo "likewise: installing into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "likewise needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade -c constraints.txt pip
	@$(BIN)/python -m pip install -qq -c constraints.txt --build-constraint constraints.txt \
		--editable '.[client,demo,dev,excel,graph,images,language,multilingual,openvino,postgresql,ray,serve,telemetry,tune]'
	@touch $@
	@echo "likewise: installed"

demo: $(STAMP)  ## label and forecast real new products, and write a report
	$(BIN)/likewise demo

language: $(STAMP)  ## fetch the weights of a small language model, 93 MB; without them its tests are left out
	-$(BIN)/python deploy/language_server.py fetch

demo-language: $(STAMP)  ## ask a small real language model, started and ended for it
	$(BIN)/python deploy/language_server.py run --port 8136 -- \
		env PYTHONPATH=. $(BIN)/python deploy/language_demo.py {url}

test: $(STAMP) language  ## run the tests, on up to four cores at once
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-server: $(STAMP)  ## run the tests that use Milvus on a real server, which is started and ended
	LIKEWISE_TEST_MILVUS_TOKEN=root:Milvus $(PYTHON) deploy/milvus_server.py run --port 19531 -- \
		$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --milvus-uri {uri} $(TESTS)

test-processors: $(STAMP)  ## run the tests as on other processors, with 1 and 8 threads; TESTS='-m digits' for some
	$(BIN)/python tests/processors.py $(TESTS)

lint: $(STAMP)  ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## sort imports, format, and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## build the guides and the API reference as pages, build/site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

examples: $(STAMP)  ## run the notebooks, and keep what they show
	$(BIN)/python -m pytest tests/test_examples.py
	cp build/examples/*.ipynb examples/

bench: $(STAMP)  ## run every benchmark; the classifiers' with BANKING77=folder of its CSV files
	$(BIN)/python -m benchmarks.retrieval.neighbors
	$(BIN)/python -m benchmarks.forecasts.launches
	@if [ -n "$(BANKING77)" ]; then $(BIN)/python -m benchmarks.labels.classification "$(BANKING77)"; \
	else echo "left out: benchmarks/labels/classification.py; run make bench BANKING77=FOLDER"; fi

milvus:  ## start a real Milvus server on 127.0.0.1:19530 (Linux; no containers)
	$(PYTHON) deploy/milvus_server.py start

milvus-stop:  ## stop it
	$(PYTHON) deploy/milvus_server.py stop

constraints: $(STAMP)  ## pin what is installed in .venv now (after trying newer releases there)
	@{ sed -n '/^#/p' constraints.txt; \
		$(BIN)/python -m pip freeze --all --exclude-editable | sed 's/+cpu$$//' | grep '=='; \
	} > constraints.new
	@mv constraints.new constraints.txt

clean:  ## remove .venv, caches and built files
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
