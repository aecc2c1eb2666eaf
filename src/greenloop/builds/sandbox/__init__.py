"""The sandbox: where code that nobody has read may run.

Invariants: nothing that a command writes outlives the run; a command sees no network, no home, no ``/etc`` but
named files, no process but its own; its exit status and the end of its output are told by bubblewrap and the
kernel, out of its reach; nothing that a caller passes is ever read as shell text; when the call returns no
process of it is left. A missing layer raises ``InfrastructureError``: there is no weaker fallback.
Absent here: what is run, and what its output means.
"""

from greenloop.builds.sandbox.bubblewrap import Bubblewrap
from greenloop.builds.sandbox.policy import WORK, Command, Completed, LayerReport, Limits, Sandbox, Session
from greenloop.builds.sandbox.scripted import ScriptedSandbox
from greenloop.builds.sandbox.selftest import self_test
from greenloop.builds.sandbox.unsandboxed import Unsandboxed

__all__ = [
    "WORK",
    "Bubblewrap",
    "Command",
    "Completed",
    "LayerReport",
    "Limits",
    "Sandbox",
    "ScriptedSandbox",
    "Session",
    "Unsandboxed",
    "self_test",
]
