#!/bin/sh
# Makes .venv-adapters: TRL, verl and verifiers, whose pins conflict with the lock, for the tests of ces/adapters alone.
# Safe to run again: when nothing changed it takes no time. About 2 GB; the first time takes some minutes.
# --lock resolves requirements/adapters.in anew into requirements/adapters.txt; it needs `uv` for the hashes.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv-adapters
# why torch comes by itself: scripts/setup.sh
torch=$(cat requirements/torch.txt)

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

if [ "${1:-}" = --lock ]; then
  venv=$(mktemp -d)
  trap 'rm -rf "$venv"' EXIT
  "$python" -m venv "$venv"
  pip install --quiet --no-deps "$torch"
  pip install --quiet -r requirements/adapters.in
  pip freeze --exclude torch | sort -f >"$venv/frozen.txt"
  uv pip compile --no-deps --generate-hashes --no-header --no-annotate --quiet --python-version 3.11 \
    --output-file requirements/adapters.txt "$venv/frozen.txt"
  exit
fi

wanted=$( (echo "$torch"; cat requirements/adapters.txt) | sha256sum | cut -d' ' -f1)
stamp=$venv/.greenloop-adapters
if [ ! -x "$venv/bin/python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "greenloop: making $venv (2 GB, some minutes the first time)"
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  pip install --quiet --no-deps "$torch"
  # complete and pinned by hash: nothing is resolved
  pip install --quiet --no-deps --require-hashes -r requirements/adapters.txt
  # its own requirements are another lock's: what the adapters import of them is in adapters.txt
  pip install --quiet --no-deps --no-build-isolation -e .
  echo "$wanted" >"$stamp"
fi
