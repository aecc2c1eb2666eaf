#!/bin/sh
# Writes requirements/lock.txt anew: every package that `make` installs, pinned with its hashes. Needs `uv`.
set -eu
cd "$(dirname "$0")/.."
uv pip compile pyproject.toml --extra local --extra ces --extra postgres --extra push --extra ray --extra dev \
  --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet \
  --output-file requirements/lock.txt "$@"
