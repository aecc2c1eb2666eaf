"""Which conversation a list of messages goes on with.

The protocol of chat completions knows no conversations: a client sends all that was said again. What was said before
the request, hashed, is what the answer before was remembered by. A list that is not known begins a new conversation.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence

_MOST = 1000


class Threads:
    """Remembers the latest conversations, for as long as the sidecar runs. For one thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()

    def find(self, path: str, said: Sequence[tuple[str, str]]) -> str:
        """Return the conversation in which just this was said; empty for a new one."""
        return self._known.get(_digest(path, said), "") if said else ""

    def remember(self, path: str, said: Sequence[tuple[str, str]], conversation: str) -> None:
        """Keep that just this was said in a conversation by now."""
        key = _digest(path, said)
        self._known[key] = conversation
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)


def _digest(path: str, said: Sequence[tuple[str, str]]) -> str:
    # clients trim what they show
    return hashlib.sha256(json.dumps([path, *((role, text.strip()) for role, text in said)]).encode()).hexdigest()
