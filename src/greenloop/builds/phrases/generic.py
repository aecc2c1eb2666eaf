"""A language that is not known closer: the commonest spellings. Comments count as code: some have a meaning."""

from collections import Counter

from greenloop.builds.phrases.matching import phrases, table, tally
from greenloop.workspace.tokens import tokens

_TABLE = table(
    {
        "stub": phrases("NotImplementedException", "todo !", "unimplemented !"),
        "raises": phrases("unreachable !", "panic !"),
        "exit": phrases("process . exit", "process : : exit", "System . exit", "std : : exit", "os . Exit", "_Exit"),
        "silenced-warning": phrases(
            "nolint", "ts - ignore", "ts - nocheck", "ts - expect - error", "eslint - disable", "SuppressWarnings"
        ),
    }
)


def count(source: bytes) -> Counter[str]:
    """Return flag → occurrences."""
    return tally(tokens(source, None), _TABLE)
