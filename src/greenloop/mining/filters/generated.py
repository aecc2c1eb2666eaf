"""Changes of what a tool wrote: by path, by a mark at its head, by its tables, or by the source beside it."""

from greenloop.mining.filters.candidate import Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.mining.foreign import has_source


def _generated(pair: Candidate) -> bool:
    return any(file.generated or has_source(pair.store, pair.target.tree, file.path) for file in pair.files)


RULE = Filter("a generated file", _generated)
