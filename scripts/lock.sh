#!/bin/sh
# Writes requirements/lock.txt anew: every package that `make` installs, pinned with its hashes. Needs `uv`.
# torch is pinned in requirements/torch.txt; it and the CUDA libraries that it asks for stay out (see scripts/setup.sh).
set -eu
cd "$(dirname "$0")/.."
cuda=$(uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet requirements/torch.txt |
  sed -n 's/^\(torch\|triton\|cuda-[a-z0-9-]*\|nvidia-[a-z0-9-]*\)==.*/--no-emit-package \1/p')
# shellcheck disable=SC2086  # the names are words on purpose
uv pip compile pyproject.toml --constraint requirements/torch.txt \
  --extra local --extra ces --extra postgres --extra push --extra ray --extra training --extra otlp --extra dev \
  --generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet $cuda \
  --output-file requirements/lock.txt "$@"
