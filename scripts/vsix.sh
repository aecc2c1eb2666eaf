#!/bin/sh
# Checks and packages editors/vscode. `types`, `unit` and `bundle` are the checks, `vsix [FILE]` makes the package (else
# build/greenloop.vsix). What it is made with is pinned by package-lock.json, its node by its release.
set -eu
cd "$(dirname "$0")/.."

node=$(scripts/node.sh 24.19.0)
PATH=$node/bin:$PWD/editors/vscode/node_modules/.bin:$PATH
npm=$node/lib/node_modules/npm/bin/npm-cli.js

out=$(realpath -m "${2:-build/greenloop.vsix}")
cd editors/vscode
if ! cmp -s package-lock.json node_modules/.greenloop-lock; then
  node "$npm" ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.greenloop-lock
fi
case "${1:-vsix}" in
types)
  tsc -p .
  tsc -p webview
  ;;
unit)
  node build.mjs --tests
  node --test "dist/test/*.test.js"
  ;;
bundle) node build.mjs ;;
vsix)
  mkdir -p "$(dirname "$out")"
  node build.mjs
  node stage.mjs
  cd dist/package
  vsce package --no-dependencies --allow-missing-repository --no-rewrite-relative-links --out "$out"
  ;;
*)
  echo "$0: $1 is none of types, unit, bundle, vsix" >&2
  exit 2
  ;;
esac
