#!/bin/sh
# Installs the editors that the tests of editors/ run in, each by a script of its own; VS Code, which only `make test-editors` needs,
# is fetched by scripts/vscode.sh. Safe to run again. Where one cannot be had, the others are installed all the same: its tests are
# skipped with the reason, and a run with such a skip fails.
set -eu
cd "$(dirname "$0")/.."
for editor in neovim_floor emacs; do
  "scripts/$editor.sh" || echo "greenloop: scripts/$editor.sh failed; tests that need it will be skipped" >&2
done
