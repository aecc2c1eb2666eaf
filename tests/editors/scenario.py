"""The corpus of `protocol/scenarios/`, read: what every editor's tests replay. Nothing here knows an editor."""

import base64
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from greenloop.records import Part

CORPUS = Path(__file__).resolve().parents[2] / "protocol" / "scenarios"


class Bytes(Part):
    """A content, byte for byte: of ``base64``; or ``count`` times ``line`` with ``{n}`` counted from 1; or the content
    at the start with these texts ``changed``, each of which occurs in it once."""

    base64: str = ""
    line: str = ""
    count: int = 0
    changed: tuple[tuple[str, str], ...] = ()

    def over(self, start: bytes) -> bytes:
        """Return the content, given that at the start."""
        if self.base64:
            return base64.b64decode(self.base64)
        if self.line:
            return "".join(self.line.replace("{n}", str(n)) for n in range(1, self.count + 1)).encode()
        for old, new in self.changed:
            assert start.count(old.encode()) == 1, f"{old!r} occurs {start.count(old.encode())} times"
            start = start.replace(old.encode(), new.encode())
        return start


Content = str | Bytes


class Open(Part):
    """Open a file, and be at its beginning."""

    do: Literal["open"]
    path: str


class Edit(Part):
    """Replace ``remove`` lines from ``line`` (from 0) of an open file by ``insert``, in the file's own line ends."""

    do: Literal["edit"]
    path: str
    line: int
    remove: int
    insert: tuple[str, ...]


class Disk(Part):
    """Another program writes a file; the driver writes these bytes itself, past the editor."""

    do: Literal["disk"]
    path: str
    content: str


class Ask(Part):
    """Ask for a change: at a line of a file, or about the whole project. ``go_on``: in the same conversation."""

    do: Literal["ask"]
    prompt: str
    path: str = ""
    line: int = 0
    whole_project: bool = False
    go_on: bool = False


class Fix(Part):
    """Ask for a fix of the error at a line."""

    do: Literal["fix"]
    path: str
    line: int


class Tool(Part):
    """Run a domain tool, and answer ``approve`` when asked whether it may."""

    do: Literal["tool"]
    name: str
    arguments: dict[str, str]
    approve: bool


class AwaitStatus(Part):
    """Wait until the editor shows this build status."""

    do: Literal["await-status"]
    state: Literal["green", "red"]


class AwaitProblem(Part):
    """Wait until the editor shows a problem at just this text of this line."""

    do: Literal["await-problem"]
    path: str
    line: int
    text: str


class AwaitWords(Part):
    """Wait until these words of the model have come."""

    do: Literal["await-words"]
    text: str


class Signalled(Part):
    """Create the file ``signal``, then wait until there is a file of that name with ``.done`` behind it.

    ``release``: the model, which was held, goes on. ``kill-sidecar``: it is killed (SIGKILL).
    """

    do: Literal["release", "kill-sidecar"]
    signal: str = ""
    """Absolute; in the job, not in the corpus."""


class Simple(Part):
    """``await-end``: wait for the end of the turn. ``cancel``: cancel it. ``undo``: take the last acceptance back."""

    do: Literal["await-end", "cancel", "undo"]


class Decide(Part):
    """Accept or refuse the best suggestion of the last turn: all of it, these hunks, or the hunks of one file."""

    do: Literal["accept", "refuse"]
    hunks: tuple[str, ...] = ()
    path: str = ""


Step = Annotated[
    Open | Edit | Disk | Ask | Fix | Tool | AwaitStatus | AwaitProblem | AwaitWords | Signalled | Simple | Decide,
    Field(discriminator="do"),
]


class Reply(Part):
    """What the model answers: the first request gets the first one, and so on."""

    reply: str
    hold_after: str = ""
    """The reply is streamed up to and with this text, then held until the step ``release``."""
    contains: tuple[str, ...] = ()
    """Texts that have to be in the request; else the model answers with an error."""


class TurnSeen(Part):
    """How a turn ended: as the person saw it."""

    outcome: Literal["done", "cancelled", "failed"]
    label: str = ""
    """Of the best suggestion; empty without one."""
    fault: str = ""


class Expect(Part):
    """What there is at the end. Files that are not named are, byte for byte, as at the start; there are no others."""

    turns: tuple[TurnSeen, ...]
    funnel: tuple[Literal["shown", "accepted", "refused", "undone"], ...]
    """What the sidecar has heard of the person's decisions, in order."""
    told: tuple[str, ...] = ()
    """Texts that occur in what the person was told."""
    disk: dict[str, Content] = Field(default_factory=dict)
    gone: tuple[str, ...] = ()
    unsaved: dict[str, Content] = Field(default_factory=dict)
    """Open files that differ from the disk, as the editor would write them. All other open files are as on the disk."""


class Scenario(Part):
    """One story."""

    about: str
    files: dict[str, Content]
    steps: tuple[Step, ...]
    expect: Expect
    model: tuple[Reply, ...] = ()
    sidecar: Literal["running", "stopped"] = "running"
    """Whether one runs when the editor starts."""
    tools: bool = False
    """Whether the workspace has the server of tools ``team`` (``tests/editors/team_tools.py``)."""

    @property
    def start(self) -> dict[str, bytes]:
        """The files at the start."""
        return {path: _bytes(content, b"") for path, content in self.files.items()}

    @property
    def end(self) -> dict[str, bytes]:
        """The files at the end."""
        start = self.start
        after = start | {path: _bytes(content, start.get(path, b"")) for path, content in self.expect.disk.items()}
        return {path: content for path, content in after.items() if path not in self.expect.gone}

    @property
    def unsaved(self) -> dict[str, bytes]:
        """The open files that differ from the disk at the end."""
        start = self.start
        return {path: _bytes(content, start.get(path, b"")) for path, content in self.expect.unsaved.items()}


def _bytes(content: Content, start: bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content.over(start)


def names() -> tuple[str, ...]:
    """Return the names of all scenarios."""
    return tuple(sorted(path.stem for path in CORPUS.glob("*.toml")))


def scenario(name: str) -> Scenario:
    """Read one."""
    given: dict[str, Any] = tomllib.loads((CORPUS / f"{name}.toml").read_text("utf-8"))
    return Scenario.model_validate(given)
