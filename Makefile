# SPDX-License-Identifier: GPL-3.0-or-later
#
# Shortcuts. Whatever else you want to say to a playbook, say it to Ansible: `make controller`, then
# `.venv/bin/ansible-playbook playbooks/setup.yml --check --diff --limit ...`

PYTHON =
BIN = .venv/bin
PLAYBOOK = $(BIN)/ansible-playbook
FLEET = $(BIN)/python -m tests.simulated_mac
DOCUMENTS = env PYTHONPATH=.collections:. $(BIN)/python -m tools.documents
PLUGINS = .collections/ansible_collections/metalfleet/tensorflow/plugins
# The collection as others get it: built, and installed into a folder that has nothing else.
PUBLISHED = .cache/published
PUBLISHED_COLLECTION = $(PUBLISHED)/ansible_collections/metalfleet/tensorflow
# Molecule and ansible-lint look for Ansible on the PATH, and for its home not in ansible.cfg.
ANSIBLE_ENV = env PATH="$$PWD/$(BIN):$$PATH" ANSIBLE_HOME="$$PWD/.cache/ansible"

.PHONY: help
help:
	@echo 'make setup      set this machine up: TensorFlow environments as inventory/local declares them'
	@echo 'make hosted     set this machine up, damage and repair it, and keep what there was to see in evidence/;'
	@echo '                hosted-fresh does it on a Mac by setup.sh, without its developer tools'
	@echo 'make demo       bring three simulated Macs up and set them up over SSH'
	@echo 'make demo-down  stop the simulated Macs'
	@echo 'make test       all checks and tests'
	@echo 'make test-all   the same, with ten times as many kills, the environments of whole teams, ten other TensorFlows,'
	@echo '                conda packages of real size, every way from one inventory, every drift by the agent, the matrix,'
	@echo '                and more scenarios of Molecule'
	@echo 'make torture    kills alone: KILLS=200, SEED=1 for others'
	@echo 'make check      the checks that run nothing: style, types, lint, ansible-test sanity on the built collection'
	@echo 'make release-check  install the built collection into an empty folder, and use it from there'
	@echo 'make matrix     the unit tests, the installed collection and ansible-test sanity, with each supported Python and'
	@echo '                ansible-core; CORE=2.20 for one ansible-core'
	@echo 'make execution-environment  make what ansible-builder needs for an image with the collection'
	@echo 'make format     put the code into the one format'
	@echo 'make docs       the documents as a site, in .cache/documents/site'
	@echo 'make pages      the pages that are made of the collection itself: variables, verdicts'
	@echo 'make picture    the picture of the report, of a made-up fleet'
	@echo 'make bench      measure, beside the alternatives'
	@echo 'make locks      resolve all pinned lists'
	@echo 'make check-locks  prove the locks that are shipped'
	@echo 'make pairing    check again which TensorFlow works with which Metal plug-in'
	@echo 'make clean      remove everything that these commands made'

# --- Use -------------------------------------------------------------------------------------------------------------

.PHONY: controller
controller:
	@tools/controller.sh controller $(PYTHON)

.PHONY: setup
setup: controller
	$(PLAYBOOK) playbooks/setup.yml

.PHONY: demo
demo: system-packages controller
	@echo 'Bringing three simulated Macs up; the first time makes what they share.'
	@$(FLEET) up m1=m1-fresh m2=m2-rosetta m4=m4-homebrew
	@echo "Building the stand-in for Apple's plug-in."
	@$(BIN)/python -m tests.metal
	@echo 'Setting them up. The first time takes some ten minutes: each downloads and unpacks 310 MB of wheels.'
	$(PLAYBOOK) -i inventory/simulated playbooks/setup.yml

.PHONY: demo-down
demo-down: controller
	@$(FLEET) down
	@echo 'The simulated Macs are down. Their files stay, some 6 GB; to remove them: $(FLEET) clean'

# What hosted runners do on a real Mac. The second hides the developer tools, so that make is a shim meanwhile: nothing
# below it may call make.
.PHONY: hosted
hosted:
	.ci/keeps-in-order make setup

.PHONY: hosted-fresh
hosted-fresh:
	.ci/as-fresh .ci/keeps-in-order sh setup.sh

# --- Development -----------------------------------------------------------------------------------------------------

.PHONY: system-packages
system-packages:
	@tools/system_packages.sh

.PHONY: development
development:
	@tools/controller.sh development $(PYTHON)

.PHONY: test
test: system-packages check # the cheap before the dear
	$(BIN)/pytest -n 3 --no-loadscope-reorder # in the order of testpaths
	PYTHONPATH=.collections:. $(BIN)/python -m tools.check_locks
	$(ANSIBLE_ENV) molecule test --scenario-name localhost

.PHONY: test-all
test-all: test release-check torture matrix
	TEST_ALL=1 $(BIN)/pytest -m slow -k 'not killed_at_any_moment' # which torture has done
	$(ANSIBLE_ENV) molecule test $(addprefix --scenario-name ,conda default drift litert rollback upgrade)

KILLS = 200
SEED =
.PHONY: torture
torture: system-packages development
	TEST_ALL=1 KILLS=$(KILLS) SEED=$(SEED) $(BIN)/pytest -s tests/integration -k killed_at_any_moment

.PHONY: check
check: development
	@$(MAKE) --no-print-directory --jobs 2 check-sources check-published

# What travels to the hosts is checked once more, for the oldest Python that mypy knows.
.PHONY: check-sources
check-sources: development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(PLUGINS) tests tools inventory molecule
	$(BIN)/mypy --python-version 3.10 $(PLUGINS)/modules $(PLUGINS)/module_utils
	$(BIN)/shellcheck --external-sources setup.sh .ci/* tools/*.sh tests/simulated_mac/*.sh \
		plugins/plugin_utils/_agent/on_host/*.sh
	$(BIN)/yamllint --strict .
	$(ANSIBLE_ENV) ansible-lint --strict --offline
	$(BIN)/antsibull-changelog lint
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*_re*.yml
	$(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet --pedantic .github

.PHONY: check-published
check-published: published accepted
	$(BIN)/pytest -q tests/published -k release
	$(ANSIBLE_ENV) antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self $(PUBLISHED_COLLECTION)
	$(BIN)/python -m tools.sanity $(PUBLISHED_COLLECTION)
	$(DOCUMENTS) site

# What Galaxy does with an upload, without what is checked above. Where it has nothing to complain of, it only leaves its
# result.
.PHONY: accepted
accepted: published
	cd $(PUBLISHED) && GALAXY_IMPORTER_RUN_ANSIBLE_DOC=no GALAXY_IMPORTER_RUN_ANSIBLE_LINT=no \
		GALAXY_IMPORTER_LOG_LEVEL_MAIN=WARNING $(CURDIR)/$(BIN)/python -m galaxy_importer.main *.tar.gz | tee importer.log
	test -s $(PUBLISHED)/importer_result.json && test ! -s $(PUBLISHED)/importer.log

.PHONY: docs
docs: published
	$(DOCUMENTS) site

.PHONY: pages
pages: development
	$(DOCUMENTS) pages

.PHONY: picture
picture: system-packages development
	$(DOCUMENTS) picture

.PHONY: published
published: development
	rm -rf $(PUBLISHED)
	$(BIN)/ansible-galaxy collection build --output-path $(PUBLISHED)
	ANSIBLE_COLLECTIONS_PATH=$(PUBLISHED) $(BIN)/ansible-galaxy collection install --offline \
		--collections-path $(PUBLISHED) $(PUBLISHED)/*.tar.gz
	$(BIN)/python -m tools.release $(PUBLISHED)/*.tar.gz

# From here on it is used as others use it.
.PHONY: release-check
release-check: published execution-environment
	$(BIN)/pytest tests/published

.PHONY: execution-environment
execution-environment: published
	rm -rf .cache/execution-environment
	$(BIN)/ansible-builder create --file execution-environment.yml --context .cache/execution-environment
	$(BIN)/ansible-builder introspect $(PUBLISHED)

CORE =
.PHONY: matrix
matrix: published
	$(BIN)/python -m tools.matrix $(CORE)

.PHONY: format
format: development
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: bench
bench: system-packages development
	$(BIN)/python -m tests.benchmarks

.PHONY: locks
locks: development
	PYTHONPATH=.collections:. $(BIN)/python -m tools.locks

.PHONY: check-locks
check-locks: development
	PYTHONPATH=.collections:. $(BIN)/python -m tools.check_locks

.PHONY: pairing
pairing: development
	PYTHONPATH=.collections:. $(BIN)/python -m tools.pairing

.PHONY: clean
clean:
	if [ -x $(BIN)/python ]; then $(FLEET) clean; fi
	rm -rf .venv .cache .ansible .hypothesis inventory/metalfleet evidence
	find . -name __pycache__ -prune -exec rm -rf {} +
