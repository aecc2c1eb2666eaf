#!/bin/sh
# Installs the editors that the tests of editors/ run in, each by a script of its own; VS Code, which only `make test-editors` needs,
# is fetched by scripts/vscode.sh. Safe to run again.
set -eu
cd "$(dirname "$0")/.."
scripts/neovim_floor.sh
scripts/emacs.sh
