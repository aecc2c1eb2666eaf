"""A commit's subject as a request, or nothing where it is none that somebody could have typed before the change.

The rules follow those by which CommitPackFT (Muennighoff et al., OctoPack, arXiv 2308.07124, appendix on filters) and
EditPackFT (Cassano et al., CanItEdit, arXiv 2312.12450) chose commits whose messages read as instructions: bounds on
the length, an imperative verb first, no noise, no link, no hash, no version. What only points elsewhere (tags, the
numbers of issues) is taken off first, and other forms of a verb are turned into the imperative.
"""

import re

from greenloop.mining.commits.verbs import imperative

_MIN_WORDS, _MAX_WORDS = 3, 20
_MIN_CHARS, _MAX_CHARS = 10, 120
_LONGEST = 1000
"""Characters of a subject that is read at all: with every tag and reference that people write, none has so many."""
_QUOTED = 300
"""Characters of a subject that a description repeats."""
_TAG = re.compile(r"^\s*(?:\[[^\]]{1,40}\]|\([^)]{1,40}\)|:[a-z0-9_+-]{1,40}:)\s*:?\s*")
"""``[tag]``, ``(scope)``, ``:emoji:``."""
_TOPIC = re.compile(r"^(?P<topic>[\w./*+-]{1,30}(?:\([^)]{1,30}\))?!?(?:, ?[\w./*+-]{1,30})*)\s*:\s+(?=\S)")
"""``fix:``, ``feat(parser):``, ``mining:``, ``lib/a.ml:``."""
_REFERENCE = re.compile(
    r"\s*[\[(]?(?:\b(?:closes|fixes|fix|resolves|refs?|see|issue|bug|pr|cc)\s*:?\s*)?"
    r"(?<![\w&/])(?:#|gh-|GH-|!)\d+\b[\])]?(?:\s*,)?",
    re.IGNORECASE,
)
_FIXING = frozenset({"fix", "bugfix", "hotfix"})
_NOISE = re.compile(
    r"https?://|www\.|\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}\b|\bwip\b|work in progress|\bmerge[ds]?\b|\btypos?\b"
    r"|signed-off-by|\bcherry[- ]pick|\bcode review\b|\breview comments?\b|\bv?\d+\.\d+\.\d+\b|\bbump\b|\brelease\b"
    r"|\bchange ?log\b|\b(?:i|i'm|i've|we|my|oops|thanks|todo|fixup|squash|tmp|temp|misc|various|stuff|again)\b"
    r"|\bskip ci\b|[<>{}\\]|co-authored-by|\?\s*$",
    re.IGNORECASE,
)
_EMPTY_WORDS = frozenset(
    {"a", "an", "the", "it", "them", "this", "that", "some", "code", "file", "files", "bug", "bugs", "issue", "issues",
     "error", "errors", "minor", "small", "more", "new", "things", "change", "changes", "update", "updates", "fix",
     "fixes", "problem", "problems", "test", "tests", "build", "warning", "warnings", "cleanup", "up", "in", "and",
     "of"}
)  # fmt: skip
"""Words that say nothing by themselves: a subject without any other asks for nothing."""


def as_request(subject: str) -> str:
    """Return ``subject`` as a request, as ``Handle empty lists``; empty where it is none."""
    if len(subject) > _LONGEST:
        return ""
    text, fixing = _stripped(" ".join(subject.split()))
    if not text.isprintable() or "\ufffd" in text or _NOISE.search(text):
        return ""
    first, _, rest = text.partition(" ")
    verb = imperative(first)
    if not verb and not fixing:
        return ""
    request = f"{verb} {rest}" if verb else f"fix {text}"
    words = request.split()
    if not (_MIN_WORDS <= len(words) <= _MAX_WORDS and _MIN_CHARS <= len(request) <= _MAX_CHARS):
        return ""
    if all(word.strip("`'\".,:;()").lower() in _EMPTY_WORDS for word in words[1:]):
        return ""
    return request[0].upper() + request[1:] if first[:1].isupper() else request


def quoted(subject: str) -> str:
    """Return ``subject`` as it may stand in a text: in one line, without control characters, cut where it is long."""
    head = "".join(char if char.isprintable() else " " for char in subject[: _QUOTED * 4])
    text = " ".join(head.split())
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1].rstrip()}…"


def _stripped(text: str) -> tuple[str, bool]:
    """Return ``text`` without what only points elsewhere, and whether its topic said that it is a fix."""
    fixing = False
    text = _REFERENCE.sub("", text).strip(" :,")
    while True:
        tag = _TAG.match(text)
        topic = _TOPIC.match(text)
        found = tag or topic
        if found is None:
            return text.rstrip(" .!;,:").strip(), fixing
        if topic is not None and tag is None:
            fixing = fixing or topic["topic"].partition("(")[0].rstrip("!").lower() in _FIXING
        text = text[found.end() :].strip()
