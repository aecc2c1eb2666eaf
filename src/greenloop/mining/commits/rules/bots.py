"""Commits by programs, as far as their names say so: nobody typed a request for them."""

import re

from greenloop.mining.commits.rules.rule import MessageRule
from greenloop.workspace.vcs import Commit

_BOT = re.compile(
    r"\[bot\]|(?:^|[^a-z])(?:bot|robot|dependabot|renovate|greenkeeper|mergify|github-actions|gitlab-ci|pre-commit-ci"
    r"|weblate|jenkins|travis|buildbot|bors|[a-z]+-bot|coqbot|ocamlbot)(?:$|[^a-z])",
    re.IGNORECASE,
)


def _by_a_bot(commit: Commit) -> bool:
    account = commit.email.partition("@")[0]
    return _BOT.search(commit.author) is not None or _BOT.search(account) is not None


RULE = MessageRule("by a bot", _by_a_bot)
