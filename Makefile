# make train   set-up and quickstart     make test      tests
# make mlflow  browse the experiments    make test-e2e  servers, browsers, several processes
# make train BUNDLE=retouch_meanteacher  another bundle's quickstart
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
BUNDLE ?= idrid_moe_mtl
CONFIGS := bundles/$(BUNDLE)/configs
READY := $(VENV)/.installed

.PHONY: help setup train test test-e2e browser lint mlflow demo label label-environment benchmark clean

help:
	@sed -n '1,3s/^# //p' Makefile

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d found, 3.11 or newer needed: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

train: $(READY)
	$(PY) -m monai.bundle run training --config_file "['$(CONFIGS)/train.json','$(CONFIGS)/quickstart.json']" $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not e2e" -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder $(ARGS)

test-e2e: $(READY) browser label-environment
	OMP_NUM_THREADS=1 $(PY) -m pytest -m e2e -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder $(ARGS)

# Chromium for the tests of pages: Debian's, where root may install it; without it these tests are skipped.
browser:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { test "$$(id -u)" = 0 && apt-get update -q && apt-get install -q -y --no-install-recommends chromium; } || \
	  echo "no Chromium: install it as root (apt-get install chromium) to test the interactive pages"

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy shared
	for scripts in bundles/*/scripts; do \
	  (cd $$scripts/.. && MYPYPATH=../.. ../../$(PY) -m mypy --config-file ../../pyproject.toml -p scripts) || exit 1; \
	done

mlflow: $(READY)
	$(PY) -m shared mlflow --port $(or $(PORT),5000)

# An environment of its own: MONAI Label needs pydicom 2, the project pydicom 3.
LABEL_VENV ?= .venv-label
LABEL_READY := $(LABEL_VENV)/.installed

$(LABEL_READY): shared/label/requirements.txt constraints.txt
	test -x $(LABEL_VENV)/bin/python || $(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(LABEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r shared/label/requirements.txt
	@touch $@

label-environment: $(LABEL_READY)

label: $(READY) $(LABEL_READY)
	$(PY) -m shared label --python $(LABEL_VENV)/bin/python --port $(or $(PORT),8000) \
	  $(if $(STUDIES),--studies "$(STUDIES)") $(if $(BUNDLES),--bundles "$(BUNDLES)") $(ARGS)

# The reading page; the bundles' models are those of make train.
demo: $(READY)
	$(PY) -c 'import gradio' 2>/dev/null || $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	$(PY) -m shared demo --port $(or $(PORT),7860) $(if $(BUNDLES),--bundles $(BUNDLES)) $(ARGS)

benchmark: $(READY)
	$(PY) -m benchmarks $(ARGS)

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
