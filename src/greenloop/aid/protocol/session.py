"""Introductions, workspaces, trust, and whether the build is green."""

from enum import StrEnum

from pydantic import Field

from greenloop.aid.protocol.base import PROTOCOL, Encoding, Message, Range
from greenloop.records import Severity


class Initialize(Message):
    """``initialize``: who calls. The first request of every connection."""

    client: str
    """The editor's name, for statistics and logs: `vscode`, `emacs`, `neovim`, ..."""
    version: str = ""
    """The version of its layer."""
    protocol: int = PROTOCOL
    encoding: Encoding = Encoding.UTF16
    can_approve: bool = False
    """Whether it answers ``approval/request``; one that does not is never asked, and what needs approval is refused."""


class Initialized(Message):
    """The answer to ``initialize``."""

    version: str
    """Greenloop's."""
    protocol: int
    pid: int
    session: str
    """Names this sidecar from its start to its end: another one after a restart."""


class SidecarStatus(Message):
    """The answer to ``sidecar/status``, which needs no introduction before it and is the same in every protocol."""

    version: str
    """Greenloop's."""
    protocol: int
    pid: int
    session: str
    started: float
    """Unix time."""
    clients: tuple[str, ...] = ()
    """The names by which those that are connected introduced themselves."""
    busy: bool = False
    """Whether a turn runs."""


class SidecarStop(Message):
    """``sidecar/stop``, which needs no introduction before it and is the same in every protocol.

    The answer is ``Empty``, at once; then every turn in flight ends with the fault ``sidecar-restarted``.
    """

    why: str = ""
    """For the log."""


class WorkspaceOpen(Message):
    """``workspace/open``: from now on ``status/changed`` tells of the workspace that ``path`` lies in."""

    path: str
    """Absolute: a file or folder of the workspace."""


class WorkspaceRef(Message):
    """``workspace/close``, ``status/get``, ``tools/list``, ``conversation/list``."""

    workspace: str


class WorkspaceState(Message):
    """The answer to ``workspace/open``."""

    workspace: str
    """Its name in later messages: the same for the same root in every sidecar, so that it outlives a restart."""
    root: str
    """Absolute; paths in messages are relative to it, with forward slashes."""
    trusted: bool
    """Whether it may be built and run: until then nothing of it is."""
    toolchain: str
    """``dune``, ``ocaml_file``, ``command``; empty while it is not trusted."""


class WorkspaceTrust(Message):
    """``workspace/trust``: the person's decision; it is kept."""

    workspace: str
    trusted: bool


class BuildState(StrEnum):
    """What is known of the workspace as it lies on the disk."""

    UNKNOWN = "unknown"
    CHECKING = "checking"
    GREEN = "green"
    RED = "red"
    UNTRUSTED = "untrusted"
    FAULT = "fault"
    """No verdict could be reached; ``note`` says why."""


class Problem(Message):
    """A diagnostic, in the client's encoding."""

    path: str | None
    range: Range | None
    severity: Severity
    message: str


class Status(Message):
    """``status/changed`` (a notification), and the answer to ``status/get``."""

    workspace: str
    state: BuildState
    tree: str = ""
    """The tree that it is about; empty while there is none."""
    problems: tuple[Problem, ...] = ()
    """While ``state`` is ``checking``, those of the tree before."""
    errors: int = Field(default=0, ge=0)
    since: float = 0.0
    """Unix time of the change to this state."""
    note: str = ""


class FileSaved(Message):
    """``file/saved`` (a notification): a hint, so that nobody waits for a watcher."""

    workspace: str
    path: str


class CancelRequest(Message):
    """``$/cancelRequest`` (a notification, either way): the request with this id need not be answered any more."""

    id: int | str
