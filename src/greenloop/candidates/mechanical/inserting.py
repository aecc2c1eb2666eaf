"""A token, or a short phrase, that is missing."""

from collections.abc import Iterator

from greenloop.candidates.mechanical.kinds import ATOMS, CLOSING
from greenloop.candidates.mechanical.site import Change, Site
from greenloop.candidates.mechanical.tables import Table
from greenloop.records import Category


def inserting(site: Site, table: Table) -> Iterator[Change]:
    """Yield what may be missing before each token, and at the end; a name only beside what it may be an argument of."""
    syntax = site.error.category is Category.SYNTAX
    texts = (table.missing + table.inserts) if syntax else table.inserts
    for place in range(site.begin, min(site.stop, len(site.tokens)) + 1):
        for text in texts:
            if text != "rec":
                yield site.insertion(place, text.encode(), "insert", f"insert {text}")
            elif place and site.kinds[place - 1] == "let" and place < len(site.tokens):
                own = site.first < len(site.tokens) and site.tokens[place].text == site.tokens[site.first].text
                yield site.insertion(place, b"rec", "insert", "insert rec for it" if own else "insert rec")
        before = site.kinds[place - 1] if place else ""
        if before in ATOMS or before in CLOSING or before in {"(", "->", "="}:
            for rank, name in enumerate(site.names[:8]):
                yield site.insertion(place, name, "insert", "insert name", rank)
            if place < len(site.tokens) and site.kinds[place] in ATOMS | {"("}:
                for known in table.library:
                    yield site.insertion(place, known.encode(), "insert", f"insert {known}")
