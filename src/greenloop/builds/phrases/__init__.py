"""What a text holds that deserves mistrust, counted by flag; ``builds.lint`` compares the two sides of an edit.

Invariants: comments and strings never count, unless the language gives them a meaning; nothing here is run, and no
text, however broken, makes it fail. Prose and data hold no code, so they count for nothing.
Absent here: what an edit is, and what a flag is worth.
"""

from collections import Counter
from collections.abc import Mapping

from greenloop.builds.phrases import generic, ocaml, python
from greenloop.workspace.remembered import remembered
from greenloop.workspace.syntax import language_of

_PROSE = (".md", ".txt", ".rst", ".org", ".adoc", ".json", ".csv", ".tsv", ".xml", ".html", ".svg", ".lock", ".tex")


@remembered
def count(path: str, source: bytes) -> Mapping[str, int]:
    """Return flag → how often the file at ``path``, with this text, gives reason for it."""
    language = language_of(path)
    if language is not None:
        return ocaml.count(path, source, language)
    if path.endswith((".py", ".pyi")):
        return python.count(path, source)
    return Counter() if path.lower().endswith(_PROSE) else generic.count(source)


def inline_tests(path: str, source: bytes) -> Counter[tuple[bytes, ...]]:
    """Return the tests and expectations that stand in the code at ``path``, each as its tokens."""
    language = language_of(path)
    if language is not None:
        return ocaml.inline_tests(source, language)
    return python.inline_tests(source) if path.endswith(".py") else Counter()
