#!/bin/sh
# Makes the toolchain image that the tests judge with, below .images: two minutes and the network the first time,
# nothing afterwards. It is made again when the list of its packages changes.
set -eu
cd "$(dirname "$0")/.."

if ! command -v mmdebstrap >/dev/null 2>&1; then
  root=""
  # gpg finds the key of the mirror; uidmap lets a user who is not root make a root file system
  packages="mmdebstrap gpg"
  if [ "$(id -u)" -ne 0 ]; then root="sudo" packages="$packages uidmap"; fi
  install="apt-get install --yes --no-install-recommends $packages"
  if [ -n "$root" ] && ! sudo -n true 2>/dev/null; then
    echo "greenloop: mmdebstrap is missing, and installing it needs root. Run, then try again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    exit 1
  fi
  echo "greenloop: installing $packages"
  # shellcheck disable=SC2086  # the list is words on purpose
  { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null; } || {
    echo "greenloop: apt-get failed (its words are above). Run, then try again:" >&2
    echo "  ${root:+$root }apt-get update && ${root:+$root }$install" >&2
    exit 1
  }
fi

wanted=$(.venv/bin/python -c 'from greenloop.builds.bootstrap import LIBRARIES, OCAML, SUITE; print(SUITE, *OCAML, *LIBRARIES)')
stamp=.images/made-of
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || [ ! -f .images/images/trixie/image.json ]; then
  echo "greenloop: making the toolchain image (two minutes, once)"
  .venv/bin/greenloop --home .images ces image build
  echo "$wanted" >"$stamp"
fi
