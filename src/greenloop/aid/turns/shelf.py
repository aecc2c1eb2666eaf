"""What can still be decided about turns, kept over restarts: a file a turn, for its owner's eyes only.

FOLDER/TURN.json    a ``Shelved``: the trees, the suggestions that were told, what was handed over of them

It holds edits and verdicts, and neither the person's words nor what a model was sent.
"""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from greenloop.candidates.attempt import Attempt
from greenloop.records import Badge, Part, Record, TreeId
from greenloop.storage import named_io_errors, write_atomically

MOST = 200
"""So many turns are kept, the newest."""
_NAME = re.compile(r"[0-9a-f]{1,32}")


class ShelvedSuggestion(Part):
    """A suggestion: what became of the proposal, without the model's reply."""

    attempt: Attempt
    source: str
    repaired: int = 0
    handed: tuple[str, ...] = ()
    """The hunks that were handed over."""


class Accepted(Part):
    """Hunks of a suggestion that were handed over for writing."""

    suggestion: str
    hunks: tuple[str, ...]
    path: str
    """The first file that it writes."""
    base: TreeId
    result: TreeId
    badge: Badge
    state: Literal["handed", "written", "released"] = "handed"
    """What the editor made of it; ``released``: not written, or undone."""


class Shelved(Record):
    """A turn that has ended. The first fields are those of ``journal.Told``."""

    turn: str
    task: str
    client: str = ""
    kind: str = ""
    model: str = ""
    strategy: str = ""
    context: str = ""
    arms: dict[str, str] = Field(default_factory=dict)
    workspace: str
    """Its name in messages."""
    disk: TreeId
    tree: TreeId
    """What was asked about: the disk with the unsaved buffers over it."""
    suggestions: tuple[ShelvedSuggestion, ...] = ()
    given: dict[str, Accepted] = Field(default_factory=dict)
    """Acceptances, by name."""


class Shelf:
    """The turns below ``folder``. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def put(self, turn: Callable[[], Shelved]) -> None:
        """Keep a turn, in the place of what is kept of it. Raises ``EnvironmentFault`` when the disk refuses.

        ``turn`` is asked under the lock: of two threads that keep the same turn, the last one knows all.
        """
        with self._lock, named_io_errors(self._folder):
            kept_turn = turn()
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._folder / f"{kept_turn.turn}.json", (kept_turn.to_json() + "\n").encode())
            kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in kept[:-MOST]:
                path.unlink(missing_ok=True)

    def find(self, turn: str) -> Shelved | None:
        """Return a turn, if it is kept. Raises ``RecordError`` for a file that cannot be read."""
        path = self._folder / f"{turn}.json"
        if not _NAME.fullmatch(turn) or not path.is_file():
            return None
        with named_io_errors(path):
            return Shelved.from_json(path.read_text())
