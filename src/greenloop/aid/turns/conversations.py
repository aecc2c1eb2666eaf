"""What was said, kept over restarts: a file of lines for each conversation, for its owner's eyes only.

FOLDER/WORKSPACE/CONVERSATION.jsonl    ``{"role", "text", "turn", "time"}``, or ``{"written": TURN}``
"""

import json
import os
import re
import threading
import time
from pathlib import Path

from greenloop.aid.protocol.turns import Conversation, Said
from greenloop.prompts.conversation import Exchange
from greenloop.records import Refused
from greenloop.storage import named_io_errors
from greenloop.storage.lines import append_line, read_lines

_NAME = re.compile(r"[0-9a-f]{1,32}")
_TITLE = 60
_MOST = 200
"""So many conversations are listed."""


class Conversations:
    """The conversations below ``folder``. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def say(self, workspace: str, conversation: str, said: Said) -> None:
        """Add what was said. Raises ``EnvironmentFault`` when the disk refuses."""
        self._append(workspace, conversation, said.model_dump(mode="json"))

    def written(self, workspace: str, conversation: str, turn: str) -> None:
        """Note that the person took what came of a turn."""
        self._append(workspace, conversation, {"written": turn})

    def read(self, conversation: str) -> Conversation:
        """Return all that was said. Raises ``Refused`` (``unknown-conversation``)."""
        path = self._path(conversation)
        said, _ = _load(path)
        return _titled(conversation, said)

    def earlier(self, workspace: str, conversation: str) -> tuple[Exchange, ...]:
        """Return the exchanges of a conversation, oldest first; none where it is new."""
        path = self._folder / workspace / f"{conversation}.jsonl"
        if not path.exists():
            return ()
        said, written = _load(path)
        replies = {one.turn: one.text for one in said if one.role == "greenloop"}
        return tuple(
            Exchange(one.text, replies[one.turn], one.turn in written)
            for one in said
            if one.role == "person" and one.turn in replies
        )

    def all(self, workspace: str) -> tuple[Conversation, ...]:
        """Return the conversations about a workspace, newest first, without what was said."""
        folder = self._folder / workspace
        with named_io_errors(folder):
            paths = list(folder.glob("*.jsonl")) if folder.is_dir() else []
            paths.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        titled = [_titled(path.stem, _load(path)[0]) for path in paths[:_MOST]]
        return tuple(one.model_copy(update={"said": ()}) for one in titled)

    def _path(self, conversation: str) -> Path:
        found = list(self._folder.glob(f"*/{conversation}.jsonl")) if _NAME.fullmatch(conversation) else []
        if not found:
            raise Refused(
                "unknown-conversation", f"{conversation}: no such conversation", "list them, or begin a new one"
            )
        return found[0]

    def _append(self, workspace: str, conversation: str, body: dict[str, object]) -> None:
        path = self._folder / workspace / f"{conversation}.jsonl"
        with self._lock, named_io_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            append_line(path, json.dumps(body, ensure_ascii=False))


def checked(conversation: str) -> str:
    """Return the name of a conversation. Raises ``Refused`` (``unknown-conversation``) when it is none."""
    if not _NAME.fullmatch(conversation):
        raise Refused("unknown-conversation", f"{conversation!r}: no such conversation", "begin a new one")
    return conversation


def _load(path: Path) -> tuple[tuple[Said, ...], frozenset[str]]:
    said, written = [], set()
    for _, text in read_lines(path).whole:
        body = json.loads(text)
        if "written" in body:
            written.add(body["written"])
        else:
            said.append(Said.model_validate(body))
    return tuple(said), frozenset(written)


def _titled(conversation: str, said: tuple[Said, ...]) -> Conversation:
    title = next((one.text.partition("\n")[0][:_TITLE] for one in said if one.role == "person"), "")
    begun = said[-1].time if said else time.time()
    return Conversation(conversation=conversation, title=title, time=begun, said=said)
