"""The first commit: there is nothing that it changes. So is the last that a shallow clone has."""

from greenloop.mining.commits.rules.rule import MessageRule

RULE = MessageRule("no parent", lambda commit: not commit.parents)
