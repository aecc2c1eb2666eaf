"""A build report: what a build said of a workspace, and to which snapshot that belongs."""

from typing import Literal

from pydantic import Field

from greenloop.records.base import Count, Record, UnixTime
from greenloop.records.diagnostic import Diagnostic
from greenloop.records.verdict import Status, Suite


class BuildReport(Record):
    """A build's result while someone worked. It nominates; only a verdict on the tree decides.

    ``shadow`` is Greenloop's own judgement of the snapshot's tree; ``reported`` is what the team's own build told.
    """

    workspace: str
    seq: Count
    """The snapshot that it speaks of; of a smeared one, the newest when it came in."""
    time: UnixTime
    """Unix seconds when it came in."""
    source: Literal["shadow", "reported"]
    status: Status
    smeared: bool = False
    """The tree changed while the build ran, or nothing shows that it did not: this says nothing of any one tree."""
    suite: Suite | None = None
    """How far the build went, if known."""
    tool: str = ""
    """Who built: the fingerprint of Greenloop's toolchain, or the name that the team's build gave itself."""
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Wall-clock seconds that the build took, if known."""
    diagnostics: tuple[Diagnostic, ...] = ()
