"""Reading a checkout on disk, a commit, or a history of commits, under git, Mercurial or none.

Invariants: nothing below ``.git`` or ``.hg`` changes by a byte or a time stamp, no lock is taken, no hook and no filter
runs; no link is followed; what is recorded is the bytes on disk; what is left out is reported with its reason; an
unchanged file costs no memory. Absent here: writing files, building.
"""

from greenloop.workspace.vcs.checkout import Checkout, read_checkout
from greenloop.workspace.vcs.committed import Revision
from greenloop.workspace.vcs.history import History, open_history
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.logged import Commit
from greenloop.workspace.vcs.names import NameWatch
from greenloop.workspace.vcs.place import Place, detect
from greenloop.workspace.vcs.revision import common_ancestor, read_commit, read_revision, resolve_revision
from greenloop.workspace.vcs.working_copy import Reading, WorkingCopy

__all__ = [
    "Checkout",
    "Commit",
    "History",
    "NameWatch",
    "Place",
    "Reading",
    "Revision",
    "Skipped",
    "WorkingCopy",
    "common_ancestor",
    "detect",
    "open_history",
    "read_checkout",
    "read_commit",
    "read_revision",
    "resolve_revision",
]
