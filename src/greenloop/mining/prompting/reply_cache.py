"""Replies of a model, kept on disk: a rerun asks for none of them again, so it gives the same bytes."""

import hashlib
import json
import threading
from dataclasses import asdict
from pathlib import Path

from greenloop.models.seam import Reply, Request
from greenloop.storage.lines import append_line, read_lines


class ReplyCache:
    """The file of replies at ``path``, a JSON line each; created with its first. Good and refused ones are kept alike.

    ``model`` tells models apart: a reply of another one is never given. A line that a crash tore, or that is none of
    these, is a reply that was never had. Several threads may ask at once.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path = path
        self._model = model
        self._lock = threading.Lock()
        self._held: dict[str, Reply] = {}
        for _, line in read_lines(path).whole:
            entry = _entry(line)
            if entry is not None:
                self._held.setdefault(*entry)

    def get(self, request: Request) -> Reply | None:
        """Return the reply to ``request``, if it is kept."""
        return self._held.get(self._key(request))

    def put(self, request: Request, reply: Reply) -> Reply:
        """Keep a reply, and return the one that is kept: of several at once it is the first.

        It is on the disk when this returns. Raises ``EnvironmentFault`` when the disk refuses.
        """
        key = self._key(request)
        line = json.dumps({"finish": reply.finish_reason, "key": key, "text": reply.text})
        with self._lock:
            if key not in self._held:
                append_line(self.path, line)
                self._held[key] = Reply(reply.text, reply.finish_reason)
            return self._held[key]

    def _key(self, request: Request) -> str:
        asked = json.dumps([self._model, asdict(request)], sort_keys=True)
        return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()


def _entry(line: str) -> tuple[str, Reply] | None:
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("key", "text", "finish")):
        return None
    return body["key"], Reply(body["text"], body["finish"])
