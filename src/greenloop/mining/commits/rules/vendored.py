"""Commits that touch other people's code, kept in folders whose names say so."""

from greenloop.builds.protect import matches
from greenloop.mining.commits.rules.rule import ChangeRule

_FOLDERS = (
    "vendor", "vendors", "vendored", "third_party", "third-party", "thirdparty", "3rdparty", "external", "node_modules",
    "bower_components", "duniverse", "opam-overlays", "esy.lock", "Godeps", "Pods",
)  # fmt: skip
GLOBS: tuple[str, ...] = tuple(f"**/{folder}/**" for folder in _FOLDERS)

RULE = ChangeRule("a vendored folder", lambda change: any(matches(one.path, GLOBS) for one in change.changes))
