"""The words of the reply format, shared by its reader and its writer.

    path/to/file.ml          a path stands on a line of its own; odd ones in JSON's double quotes
    <<<<                     a block: these lines …
    old lines
    ====                     … become these. The three runs have one length, 4 or more,
    new lines                longer than any such run that starts a line of the texts
    >>>>

    path/to/new.ml           a whole file: a fence, longer than any that starts a line of the text
    ```ocaml
    all of it
    ```

    path/to/old.ml
    <<<< delete              or ``rename path/to/new.ml``, or ``+x`` / ``-x`` (executable or not)

What ends a text (``====``, ``>>>>``, the closing fence) has ``\\`` behind it when the text's last line has no
line end. The words behind an opening fence are ignored (a language, as a rule) but for ``+x``, ``-x`` and
``whole``; the last says that the fence holds a file even though lines in it look like blocks.
"""

import json
import re

MIN_RUN = 4
"""The shortest run of ``<``, ``=`` or ``>`` that can be a marker."""
MIN_FENCE = 3
"""The shortest fence, as in Markdown."""
MAX_REPLY_CHARS = 8_000_000
"""The longest reply that is read; a model that writes more is in a loop."""
MAX_FILES = 1_000
"""The most files that one edit may name, in a reply as in a diff."""
MAX_BLOCKS = 10_000
"""The most blocks that one edit may hold, in a reply as in a diff."""

BLANKS = " \t\r\n"
"""What is cut from the end of a line before it is held against the patterns below."""
RUN = re.compile(r"^(<{4,}|={4,}|>{4,})", re.MULTILINE)
OPENING = re.compile(r"(<{4,})(?: +(SEARCH|ORIGINAL|delete|rename|[+-]x))?(?: +(\S.*))?")
MIDDLE = re.compile(r"(={4,})(\\?)")
CLOSING = re.compile(r"(>{4,})(?: +(?:REPLACE|UPDATED))?(\\?)")
FENCE = re.compile(r"(`{3,})([^`]*)")
FENCE_END = re.compile(r"(`{3,})(\\?)")

_BARE = re.compile(r"[\w./~@+][\w./~@+,=-]*")
_PLAIN_NAMES = frozenset(
    {"dune", "dune-project", "dune-workspace", "Makefile", "GNUmakefile", "Dockerfile", "LICENSE", "README", "CHANGES"}
)
"""Names without a dot or a slash that may stand bare; any other word on a line of its own is prose."""
_LEAD = re.compile(r"(?:#+|[-*]|\d+[.)])[ \t]+|(?:File(?:name)?|Path)[ \t]*:[ \t]*", re.IGNORECASE)
_QUOTES = ("`", "**", "*", "'")


def write_path(path: str) -> str:
    """Return the line that names ``path``."""
    return path if _is_bare(path) and not path.startswith("./") else json.dumps(path, ensure_ascii=False)


def read_path(line: str) -> str | None:
    """Return the path that ``line`` names, or ``None`` when the line is prose.

    Markdown around it is tolerated: a heading, a bullet, bold, backquotes, ``File:``, a colon at the end, ``./``.
    """
    text = line.strip()
    quoted = _read_json(text)
    if quoted is not None:
        return quoted
    lead = _LEAD.match(text)
    if lead is not None:
        text = text[lead.end() :].strip()
    marked = False
    for quote in _QUOTES:
        inner = text.removesuffix(":").removesuffix(quote).removesuffix(":")
        if text.startswith(quote) and inner != text and len(inner) > len(quote):
            text, marked = inner[len(quote) :], True
    if not marked:
        text = text.removesuffix(":")
    quoted = _read_json(text)
    if quoted is not None:
        return quoted
    if _is_bare(text):
        return text.removeprefix("./") if text != "./" else text
    return text if marked and _BARE.fullmatch(text) else None


def _read_json(text: str) -> str | None:
    if len(text) < 2 or not text.startswith('"') or not text.endswith('"'):
        return None
    try:
        path = json.loads(text)
    except json.JSONDecodeError:
        return None
    return path if isinstance(path, str) else None


def _is_bare(text: str) -> bool:
    if _BARE.fullmatch(text) is None:
        return False
    return "/" in text or text in _PLAIN_NAMES or re.search(r"\.[^.]", text) is not None


def replacement_start(reply: str) -> int:
    """Return where the new lines of the first block of ``reply`` begin; 0 where it has no block."""
    run = start = 0
    for line in reply.split("\n"):
        start += len(line) + 1
        bare = line.rstrip(BLANKS)
        middle = MIDDLE.fullmatch(bare)
        if run and middle and len(middle[1]) == run:
            return min(start, len(reply))
        opening = OPENING.fullmatch(bare)
        if not run and opening:
            run = len(opening[1])
    return 0


def longest_run(*texts: str) -> int:
    """Return the length of the longest run of marker characters that starts a line of ``texts``."""
    return max((len(run) for text in texts for run in RUN.findall(text)), default=0)
