"""Changes of layout, comments or modes alone: no build can tell their ends apart."""

from greenloop.mining.filters.rule import Filter

RULE = Filter("layout or comments only", lambda pair: all(file.format_only for file in pair.files))
