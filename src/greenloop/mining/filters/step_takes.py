"""Steps by which names go and nothing comes: the error went with the code that it was in."""

import re
from collections import Counter

from greenloop.mining.filters.candidate import STEPS, Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.workspace.tokens import tokens

_WORD = re.compile(rb"[A-Za-z_\x80-\xff]")


def _only_takes_away(pair: Candidate) -> bool:
    gone: Counter[bytes] = Counter()
    come: Counter[bytes] = Counter()
    for file in pair.files:
        old, new = (Counter(tokens(side or b"", file.language)) for side in (file.old, file.new))
        gone += old - new
        come += new - old
    return not come and any(_WORD.match(token) for token in gone)


RULE = Filter("a step that only takes away", lambda pair: pair.origin in STEPS and _only_takes_away(pair))
