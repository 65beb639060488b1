PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860

.PHONY: setup app test demo bench lint fonts compiler browser clean

# Everything: app, trainer, data generation, evaluation, tests.
setup: .venv/.everything

.venv/.app: spaces/requirements.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/pip install -q -r spaces/requirements.txt
	touch $@

.venv/.everything: requirements.txt spaces/requirements.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/pip install -q -r requirements.txt
	touch $@ .venv/.app

# Letters of all bundled languages on a bare Debian machine; elsewhere the browser's own fonts serve.
fonts:
	@.ci/debian fonts-noto-core || echo "No fonts were installed; the browser's own will be used."

# For the decoder in C, which is compiled at the first start; without it numpy tells the stories.
compiler:
	@command -v cc >/dev/null || .ci/debian gcc libc6-dev || echo "No C compiler was installed; stories will come slowly."

browser:
	@.ci/debian chromium chromium-driver fonts-noto-core

app: .venv/.app fonts compiler
	.venv/bin/python app.py --host $(HOST) --port $(PORT)

test: setup browser compiler
	.venv/bin/ruff check .
	.venv/bin/python -m pytest -q

# The whole pipeline in miniature, offline, and the app on the model just trained.
demo: setup
	./demo.sh demo --host $(HOST) --port $(PORT)

bench: setup
	.venv/bin/python -m bench $(BENCH)

clean:
	rm -rf .venv demo out
