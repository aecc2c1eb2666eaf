"""Changes that no edit says exactly: of modes, of paths that no edit may name."""

from greenloop.mining.filters.rule import Filter

RULE = Filter("no exact edit", lambda pair: pair.edit is None)
