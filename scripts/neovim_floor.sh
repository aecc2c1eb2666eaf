#!/bin/sh
# Fetches Neovim 0.10, the oldest that editors/neovim supports, below .images/neovim-0.10: the package of Debian trixie
# with all that it needs, from the mirror that this machine's apt uses. Half a minute the first time, nothing afterwards.
# Its own loader and libraries run it, so nothing of this machine is replaced.
set -eu
cd "$(dirname "$0")/.."
at=$PWD/.images/neovim-0.10
[ ! -x "$at/nvim" ] || exit 0
case "$(uname -m)" in
  x86_64) triple=x86_64-linux-gnu loader=lib64/ld-linux-x86-64.so.2 ;;
  aarch64) triple=aarch64-linux-gnu loader=lib/ld-linux-aarch64.so.1 ;;
  *) echo "greenloop: Neovim 0.10 is not fetched for $(uname -m)" >&2; exit 1 ;;
esac
echo "greenloop: fetching Neovim 0.10 (once)"
mkdir -p .images
rm -rf "$at" "$at.new"
.venv/bin/python -c 'from greenloop.builds.mirrors import debian_lines; print("\n".join(debian_lines("trixie")))' |
  mmdebstrap --variant=extract --include=neovim --quiet --format=directory trixie "$at.new" -
cat >"$at.new/nvim" <<END
#!/bin/sh
export VIMRUNTIME="$at/usr/share/nvim/runtime"
exec "$at/usr/$loader" --library-path "$at/usr/lib/$triple" "$at/usr/bin/nvim" "\$@"
END
chmod +x "$at.new/nvim"
mv "$at.new" "$at"
