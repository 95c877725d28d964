PYTHON ?= python3
VENV := .venv
OPTIMUM_VENV := .venv-optimum
VERSIONS := lowest newest
# Byte-compiling every module of every package takes longer than the demo's calibration.
INSTALL := $(VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: api client demo faults follow-fleet fuzz test test-clients test-faults test-integrations test-slow test-providers test-versions lint clean

demo: $(VENV)/demo-installed
	rm -rf demo-out
	$(VENV)/bin/clampdown demo --out demo-out

# Two processes with one thread each: torch's threads would get into each other's way. In the order
# of the files, since those of the demo take longest and come early.
test: export OMP_NUM_THREADS = 1
test: lint
	$(VENV)/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/clients --ignore=tests/faults --ignore=tests/integrations -m 'not slow'

# Without scripts: that of onnxruntime-node downloads CUDA libraries, the CPU's are in the package.
client:
	cd runtime/clients/node && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent build

test-clients: $(VENV)/dev-installed $(OPTIMUM_VENV)/installed client
	$(VENV)/bin/pytest tests/clients

# A few of each fault; its own target, since a minute of it is waiting for processes.
test-faults: $(VENV)/dev-installed
	$(VENV)/bin/pytest tests/faults

# What `make test` leaves out: most models of the corpus, the published method on the demo's model, and
# the quick form of a benchmark.
test-slow: export OMP_NUM_THREADS = 1
test-slow: $(VENV)/dev-installed
	$(VENV)/bin/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/clients --ignore=tests/faults --ignore=tests/integrations -m slow

# Kills, signals, full disks and failing calls, upon commands that write: three quarters of an hour.
faults: $(VENV)/dev-installed
	$(VENV)/bin/python -m tests.faults --out docs/results/faults.md

# Ten thousand damaged and hostile files, upon everything that reads one: a quarter of an hour.
fuzz: $(VENV)/dev-installed
	$(VENV)/bin/python -m tests.fuzz --mutants 10000 --seed 0 --out docs/results/fuzz.md

# The adapters, each against the real package.
test-integrations: .venv-integrations/adapters-installed
	.venv-integrations/bin/pytest tests/integrations

# Two pages word for word, each section in a new environment: ten minutes and some gigabytes of downloads.
follow-fleet: $(VENV)/dev-installed
	$(VENV)/bin/python -m tests.pages docs/fleet.md docs/monitoring.md

# The packages of each in an environment of its own; PyPI's builds of torch bring gigabytes of CUDA.
test-versions: $(VERSIONS:%=.venv-%/installed)
	set -e; for one in $(VERSIONS); do .venv-$$one/bin/python tests/versions/smoke.py; done

# Builds of ONNX Runtime overwrite each other, so that every one has an environment of its own.
test-providers: .venv-openvino/provider-installed
	.venv-openvino/bin/python tests/providers/smoke.py openvino

api: $(VENV)/dev-installed
	$(VENV)/bin/python docs/build_api.py

lint: $(VENV)/dev-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf $(VENV) $(OPTIMUM_VENV) $(VERSIONS:%=.venv-%) .venv-openvino .venv-integrations build demo-out

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo-installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing Clampdown with the demo's packages into $(VENV) (one to three minutes) ..."
	$(INSTALL) -e '.[cpu,demo]'
	touch $@

$(VENV)/dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing Clampdown with everything that the tests need into $(VENV) ..."
	$(INSTALL) -e '.[cpu,demo,dev]'
	touch $@

# Optimum needs an older transformers than the export.
$(OPTIMUM_VENV)/installed: constraints-optimum.txt
	$(PYTHON) -m venv $(OPTIMUM_VENV)
	@echo "Installing Optimum into $(OPTIMUM_VENV), for the test that it loads a bundle ..."
	$(OPTIMUM_VENV)/bin/pip install --quiet --no-compile --disable-pip-version-check \
		-c constraints-optimum.txt 'optimum-onnx[onnxruntime]'
	touch $@

.venv-%/provider-installed: pyproject.toml tests/providers/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --no-compile --disable-pip-version-check \
		-r tests/providers/$*.txt -e '.[export]'
	touch $@

.venv-integrations/adapters-installed: pyproject.toml tests/integrations/requirements.txt
	$(PYTHON) -m venv .venv-integrations
	.venv-integrations/bin/pip install --quiet --no-compile --disable-pip-version-check \
		-r tests/integrations/requirements.txt -e '.[cpu]'
	touch $@

.venv-%/installed: pyproject.toml tests/versions/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --no-compile --disable-pip-version-check \
		-r tests/versions/$*.txt -e '.[cpu,export]'
	touch $@
