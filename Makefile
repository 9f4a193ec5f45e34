# `make run` serves the demo model, `make test` runs every test; both set up what they need. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
# cuda where a GPU answers, cpu elsewhere; `make run BACKEND=cpu` overrides. web: the web tier alone, for an engine on
# another host. A checkout that was set up for web stays so until another BACKEND is given.
BACKEND ?= $(if $(wildcard $(VENV)/installed-web),web,$(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU' && echo cuda || echo cpu))
ifeq ($(filter cpu cuda web,$(BACKEND)),)
$(error BACKEND=$(BACKEND): expected cpu, cuda or web)
endif
# vLLM for CPUs and vLLM for CUDA may be different releases, and each is built for one torch.
TORCH-cpu := torch==2.13.0
TORCH-cuda := torch==2.14.0
BIN := $(VENV)/bin
AUDIT := $(VENV)/audit
LM_EVAL := $(VENV)/lm-eval
RAY := $(VENV)/ray
CLIENTS := .venv-clients
CLIENT_LOCKS := $(basename $(notdir $(wildcard requirements/clients/*.in)))
REQUESTS ?= 100000
# The commit that `make bench-before` compares with: the last one before the work on the front end's cost.
BEFORE ?= f709786
BEFORE_LOADS := stream-1,stream-64,stream-256,whole-256,one-token-64,prompt-1500
# Two tests at a time, each engine's tests one after the other: see tests/conftest.py. The tests start Python hundreds of
# times, so that they keep what it compiles, also where the environment forbids it, as that of many containers does.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder
INSTALLED := $(VENV)/installed-$(BACKEND)

.PHONY: help run stop status doctor setup install uninstall screenshots test test-fast test-clients test-ray lint docs lock vendor next-vllm train abuse chaos reloads fuzz mutants audit bench bench-before bench-offline bench-beam bench-beside clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

run: $(INSTALLED) ## serve on 127.0.0.1:6006, in the foreground; starts the engine where none runs
ifeq ($(BACKEND),web)
	@HEARTH_ENGINE_SPAWN=0 bin/hearth web
else
	@bin/hearth start
	@bin/hearth wait
	@bin/hearth web
endif

stop: ## stop the engine (Ctrl-C in `make run` stops the web tier only)
	@bin/hearth stop

status: ## show the engine's state; `make doctor` finds out why none answers
	@bin/hearth status

doctor: $(INSTALLED) ## find out what keeps Hearth from working, and how to fix it
	@bin/hearth doctor

setup: $(INSTALLED) ## install into .venv for BACKEND=cpu|cuda|web, without running anything

install: ## as root: install Hearth in /opt/hearth, with systemd units and a user; see deploy/install for PREFIX and DESTDIR
	deploy/install

uninstall: ## as root: remove what `make install` installed, except configuration and conversations
	deploy/install --remove

test: lint $(LM_EVAL)/installed ## every check and every test
	$(PYTEST) --durations=10

test-fast: lint ## every check, and what of the schemas, the web tier, the bench and the documents is tested in a minute
	$(PYTEST) -n 4 -m "not engine and not slow" tests/schemas tests/webapp tests/bench tests/docs

test-clients: $(VENV)/installed-dev $(CLIENTS)/installed ## agents, frameworks and SDKs as their users have them: docs/clients.md lists them
	$(BIN)/pytest tests/clients

test-ray: $(RAY)/installed ## the model over two workers of Ray, on this host; see docs/scaling.md
	$(BIN)/pytest tests/parallel/on_ray

lint: $(VENV)/installed-dev ## ruff, mypy, the import rules, and that each import is declared
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(DEPTRY) . -ee '$(NO_PRODUCT)' -ee '$(ENGINE_ONLY)' -rf requirements/web.in
	$(DEPTRY) . -ee '$(NO_PRODUCT)' -rf requirements/cpu.in
	$(DEPTRY) . demo_model -e '\.venv' -e 'bench/\.cache' -e 'tests/clients/(node|$(OWN_CLIENTS))' -rf requirements/cpu.in,requirements/dev.in
	$(DEPTRY) tests/clients -e 'tests/clients/(node|test_|vllm_)' -rf requirements/clients/newest.in,requirements/clients/llama-index.in

DEPTRY := $(BIN)/deptry --config requirements/deptry.toml
NO_PRODUCT := (tests|bench|demo_model|examples)/
ENGINE_ONLY := engine_proc/(adapter|answering|batch|serving)/
OWN_CLIENTS := instructor|langchain|litellm|llama|openai_agents|pydantic_ai

train: $(VENV)/installed-dev ## train the demo model and its adapter from the corpus
	$(BIN)/python demo_model/train.py
	$(BIN)/python demo_model/train_adapter.py

abuse: $(VENV)/installed-dev ## abusive requests beside innocent streams, and a table of what they did
	$(BIN)/python -m tests.abuse

chaos: $(VENV)/installed-dev ## ten minutes of kills under load; SECONDS and SEED may be set, BATCH=2000 is a batch instead
	$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(BATCH),--batch $(BATCH))

bench: $(VENV)/installed-dev ## Hearth beside vLLM's own servers, about 25 minutes; ROUNDS=1 is shorter
	$(BIN)/python -m bench $(if $(ROUNDS),--rounds $(ROUNDS))
	$(BIN)/python -m bench.document

bench-before: $(VENV)/installed-dev ## Hearth beside its own commit BEFORE, about 8 minutes
	$(BIN)/python -m bench --parts gpu --before $(BEFORE) --contenders hearth,vllm --loads $(BEFORE_LOADS) \
		--output bench/results/before $(if $(ROUNDS),--rounds $(ROUNDS))
	$(BIN)/python -m bench.document

bench-offline: $(VENV)/installed-dev ## `batch` beside plain Transformers, on the same prompts and weights
	$(BIN)/python -m bench.offline

bench-beam: $(VENV)/installed-dev ## what a beam search costs here and in `vllm serve`, side by side
	$(BIN)/python -m bench.beam

bench-beside: $(VENV)/installed-dev ## what a batch costs the streams beside it, on the simulated GPU
	$(BIN)/python -m bench.batch_beside

reloads: $(VENV)/installed-dev ## 1,500 reloads of the web tier under load, about half an hour; COUNT may be set
	$(BIN)/python -m tests.reloads $(if $(COUNT),--count $(COUNT))

fuzz: $(VENV)/installed-dev ## 100,000 bad requests to a Hearth of its own; SEED=n repeats a run
	$(BIN)/python -m tests.fuzz --requests $(REQUESTS) $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/installed-dev ## break the core in some ninety places, one at a time, and print which breakages no test notices
	$(BIN)/python -m tests.mutants

audit: | $(VENV) ## look the locked packages up in PyPI's list of known vulnerabilities
	@$(BIN)/python -m venv $(AUDIT) && $(AUDIT)/bin/pip install -q pip-audit
	$(AUDIT)/bin/pip-audit --strict --disable-pip --no-deps -r requirements/$(BACKEND).txt \
	  || { echo "audit: not clean, or incomplete: listed above are vulnerable packages, or packages that PyPI has no answer for"; exit 1; }

clean: ## remove what was installed and cached; ends a running engine first
	@test ! -x $(BIN)/python || bin/hearth stop || true
	rm -rf $(VENV) $(CLIENTS) tests/clients/node/node_modules run .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV):
	@echo "Hearth: making a Python environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)

# The locks hold everything, so nothing else is resolved (--no-deps). torch alone has a line of its own: which build
# of it (CPU or CUDA) is the package index's business, and so is what that build needs.
$(INSTALLED): requirements/$(BACKEND).txt | $(VENV)
ifeq ($(BACKEND),web)
	@echo "Hearth: installing the web tier alone, about 70 MB"
else
	@echo "Hearth: installing vLLM for $(BACKEND) and the rest: about 3.5 GB (cpu) or 10 GB (cuda), some minutes"
	$(BIN)/pip install $(TORCH-$(BACKEND)) -c requirements/$(BACKEND).txt
endif
	$(BIN)/pip install --no-deps -r requirements/$(BACKEND).txt
	@rm -f $(VENV)/installed-*
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt requirements/debian.txt $(INSTALLED)
	@test $(BACKEND) != web || { echo "Hearth: checks and tests need an engine: BACKEND=cpu or BACKEND=cuda"; exit 1; }
	@echo "Hearth: installing what the tests need"
	@deploy/debian-packages requirements/debian.txt
	$(BIN)/pip install --no-deps -r requirements/dev.txt
	@touch $@

# lm-eval brings scikit-learn, pandas and others, which Transformers imports where it finds them: they would slow down
# every engine that the tests start. vLLM imports Ray where it finds it. So both have environments of their own, which
# have what is in $(VENV), too.
$(LM_EVAL)/installed $(RAY)/installed: $(VENV)/%/installed: requirements/%.txt $(VENV)/installed-dev
	$(BIN)/python -m venv $(VENV)/$*
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(echo $(VENV)/$*/lib/python3*/site-packages)/hearth.pth"
	$(VENV)/$*/bin/pip install --no-deps -r requirements/$*.txt
	@touch $@

# Each lock of requirements/clients/ has an environment of its own.
$(CLIENTS)/installed: $(wildcard requirements/clients/*.txt) tests/clients/node/package-lock.json requirements/debian-clients.txt
	@echo "Hearth: installing the clients, about 2 GB"
	@command -v npm >/dev/null || deploy/debian-packages requirements/debian-clients.txt
	for name in $(CLIENT_LOCKS); do \
	  $(PYTHON) -m venv $(CLIENTS)/$$name && $(CLIENTS)/$$name/bin/pip install --no-deps -r requirements/clients/$$name.txt || exit; \
	done
	cd tests/clients/node && npm ci
	@touch $@

docs: $(VENV)/installed-dev ## docs/api.md, docs/compatibility.md and the architecture's picture again
	$(BIN)/python -m schemas.openapi > docs/api.md
	$(BIN)/python -m tests.docs.compatibility > docs/compatibility.md
	dot -Tsvg docs/architecture.dot -o docs/architecture.svg

screenshots: $(VENV)/installed-dev ## the pictures of docs/ again, in Chromium
	$(BIN)/python -m tests.screenshots

next-vllm: $(INSTALLED) ## what would break with a vLLM that is not installed; VERSION=0.33.0, say
	$(BIN)/python -m tests.next_vllm $(VERSION)

vendor: ## the libraries of the pages again from npm, their checksums compared with requirements/vendor.json; PIN=--pin writes them
	@command -v npm >/dev/null || deploy/debian-packages requirements/debian-clients.txt
	$(PYTHON) requirements/vendor.py $(PIN)

lock: | $(VENV) ## make the locks again from requirements/*.in; UPGRADE=--upgrade takes today's versions
	$(BIN)/pip install uv
	cd requirements && $(LOCK) --overrides cpu-overrides.txt cpu.in -o cpu.txt
	cd requirements && $(LOCK) cuda.in -o cuda.txt
	cd requirements && $(LOCK) -c cpu.txt web.in -o web.txt
	cd requirements && $(LOCK) --overrides cpu-overrides.txt -c cpu.txt dev.in -o dev.txt
	cd requirements && $(LOCK) --overrides cpu-overrides.txt -c cpu.txt -c dev.txt lm-eval.in -o lm-eval.txt
	cd requirements && $(LOCK) --overrides cpu-overrides.txt -c cpu.txt -c dev.txt ray.in -o ray.txt
	for name in $(CLIENT_LOCKS); do (cd requirements/clients && ../$(LOCK) $$name.in -o $$name.txt) || exit; done

LOCK := ../$(BIN)/uv pip compile $(UPGRADE) --no-header --annotation-style line --python-version 3.11 --python-platform linux
