"""Changes of other people's code, kept in folders whose names say so."""

from greenloop.mining.filters.rule import Filter
from greenloop.mining.foreign import is_vendored

RULE = Filter("a vendored folder", lambda pair: any(is_vendored(file.path) for file in pair.files))
