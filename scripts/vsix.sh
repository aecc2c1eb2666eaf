#!/bin/sh
# Packages editors/vscode as a .vsix (first argument; else build/greenloop.vsix). What it is made with is pinned by package-lock.json.
set -eu
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-build/greenloop.vsix}")
mkdir -p "$(dirname "$out")"
cd editors/vscode
if ! cmp -s package-lock.json node_modules/.greenloop-lock; then
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.greenloop-lock
fi
node_modules/.bin/vsce package --no-dependencies --allow-missing-repository --out "$out"
