#!/bin/sh
# Makes the toolchain image that the tests judge with, below .images: two minutes and the network the first time,
# nothing afterwards. It is made again when the list of its packages changes.
set -eu
cd "$(dirname "$0")/.."

if ! command -v mmdebstrap >/dev/null 2>&1; then
  install="apt-get install --yes --no-install-recommends mmdebstrap"
  if [ "$(id -u)" -ne 0 ]; then install="sudo $install uidmap"; fi
  if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    echo "greenloop: mmdebstrap is missing, and installing it needs root. Run, then try again:" >&2
    echo "  $install" >&2
    exit 1
  fi
  echo "greenloop: installing mmdebstrap"
  $install -qq >/dev/null
fi

wanted=$(.venv/bin/python -c 'from greenloop.builds.bootstrap import LIBRARIES, OCAML, SUITE; print(SUITE, *OCAML, *LIBRARIES)')
stamp=.images/made-of
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || [ ! -f .images/images/trixie/image.json ]; then
  echo "greenloop: making the toolchain image (two minutes, once)"
  .venv/bin/greenloop --home .images ces image build
  echo "$wanted" >"$stamp"
fi
