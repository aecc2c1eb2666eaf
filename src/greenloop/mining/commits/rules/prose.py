"""Commits of pages, change logs, settings of other tools, version numbers: no build reads what they change."""

import re

from greenloop.builds.protect import matches
from greenloop.mining.changed import ChangedFile
from greenloop.mining.commits.rules.rule import ChangeRule

_PAGES = (
    "**/*.md", "**/*.txt", "**/*.rst", "**/*.adoc", "**/*.org", "**/*.tex", "**/*.html", "**/*.1", "**/*.svg",
    "**/*.mld", "**/README*", "**/CHANGE*", "**/Change*", "**/NEWS*", "**/HISTORY*", "**/AUTHORS*", "**/CONTRIBUTORS*",
    "**/LICENSE*", "**/LICENCE*", "**/COPYING*", "**/TODO*", "**/INSTALL*", "**/VERSION", "**/.gitignore",
    "**/.hgignore", "**/.hgtags", "**/.mailmap", "**/.gitattributes", "**/CODEOWNERS",
    "**/.github/**", "**/.gitlab/**", "**/.gitlab-ci.yml", "**/.travis.yml", "**/.travis-ci.sh", "**/appveyor.yml",
    "**/.circleci/**", "**/.vscode/**", "**/.editorconfig", "**/.ocamlformat", "**/.ocamlformat-ignore", "**/*.nix",
)  # fmt: skip
_VERSION = re.compile(r"version", re.IGNORECASE)
_NUMBER = re.compile(r"\d[\w.~+-]*")


def _said_only(file: ChangedFile) -> bool:
    return matches(file.path, _PAGES) or _version_only(file)


def _version_only(file: ChangedFile) -> bool:
    """Whether every changed line tells of a version, and differs from the one it replaces in numbers alone."""
    if file.old is None or file.new is None:
        return False
    for hunk in file.hunks:
        before, after = file.old_lines[hunk.start : hunk.end], file.new_lines[hunk.new_start : hunk.new_end]
        if [_NUMBER.sub("0", line) for line in before] != [_NUMBER.sub("0", line) for line in after]:
            return False
        if not all(_VERSION.search(line) for line in before):
            return False
    return True


RULE = ChangeRule("a version, or files that no build reads", lambda change: all(map(_said_only, change.files)))
