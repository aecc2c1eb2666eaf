#!/bin/sh
# Installs what the tests of editors/emacs run in: Emacs 28.2 without windows, package-lint, markdown-mode, tmux. The versions
# are pinned up to Debian's own revisions; what is there already stays. Half a minute the first time, nothing afterwards.
set -eu

# program or library : Debian package = version
pinned="/usr/bin/emacs:emacs-nox=1:28.2* /usr/share/emacs/site-lisp/elpa-src/package-lint-0.16:elpa-package-lint=0.16*
/usr/share/emacs/site-lisp/elpa-src/markdown-mode-2.5:elpa-markdown-mode=2.5* /usr/bin/tmux:tmux=3.3a*"
missing=""
for pair in $pinned; do
  [ -e "${pair%%:*}" ] || missing="$missing ${pair#*:}"
done

if [ -n "$missing" ]; then
  root=""
  if [ "$(id -u)" -ne 0 ]; then root="sudo -n"; fi
  echo "greenloop: installing$missing"
  set -f # the stars are apt's
  # shellcheck disable=SC2086  # the lists are words on purpose
  { $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive apt-get install --yes \
    --no-install-recommends -qq $missing >/dev/null; } || {
    echo "greenloop: apt-get failed (its words are above); the tests of editors/emacs need, on Debian 12:$missing" >&2
    exit 1
  }
fi

found=$(emacs --batch --eval '(princ emacs-version)' 2>/dev/null)
[ "$found" = 28.2 ] || {
  echo "greenloop: the tests of editors/emacs are made for Emacs 28.2, and this is Emacs $found" >&2
  exit 1
}
