"""What a person has looked at: each server's way of starting, and what it said of its tools then.

Kept in the home, not in the repository: a repository that could pin its own tools would need no person.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from greenloop.aid.tools.described import Described
from greenloop.records import Part, RecordError
from greenloop.records.base import UnixTime
from greenloop.storage import named_io_errors, write_atomically


class Pin(Part):
    """A server as it was agreed to."""

    identity: str
    """``ToolServerSettings.identity``"""
    tools: tuple[Described, ...]
    time: UnixTime

    def tool(self, name: str) -> Described | None:
        """Return what was said of a tool."""
        return next((one for one in self.tools if one.name == name), None)


class Changes(Part):
    """What a server says now against what was pinned: names of tools."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def changes(before: Pin | None, now: Pin) -> Changes:
    """Compare two pins of one server."""
    old = {tool.name: tool.sha256 for tool in before.tools} if before is not None else {}
    new = {tool.name: tool.sha256 for tool in now.tools}
    return Changes(
        new=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
        gone=tuple(sorted(old.keys() - new.keys())),
    )


_PAGE = TypeAdapter(dict[str, dict[str, Pin]])


class Pins:
    """The file ``path`` (JSON, created with the first pin): workspace → server → ``Pin``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, workspace: Path) -> Mapping[str, Pin]:
        """Return the pins of a workspace. Raises ``RecordError`` when the file is damaged: nothing is then pinned."""
        return self._page().get(str(workspace), {})

    def keep(self, workspace: Path, server: str, pin: Pin) -> None:
        """Keep a pin in the place of an older one."""
        page = self._page()
        page[str(workspace)] = {**page.get(str(workspace), {}), server: pin}
        body = {
            place: {name: one.model_dump(mode="json") for name, one in pins.items()} for place, pins in page.items()
        }
        write_atomically(self.path, (json.dumps(body, indent=1, sort_keys=True) + "\n").encode())

    def _page(self) -> dict[str, dict[str, Pin]]:
        with named_io_errors(self.path):
            if not self.path.exists():
                return {}
            raw = self.path.read_bytes()
        try:
            return _PAGE.validate_json(raw)
        except ValidationError as error:
            raise RecordError(
                f"{self.path}: the pins of tools cannot be read: {error.errors()[0]['msg']}",
                "delete it, and pin the tools again",
            ) from error
