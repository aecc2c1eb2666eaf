"""Changes of what is no text: no edit can say what they do."""

from greenloop.mining.filters.rule import Filter

RULE = Filter("not UTF-8 text, or a link", lambda pair: not all(file.text for file in pair.files))
