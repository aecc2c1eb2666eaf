"""Reading a checkout on disk, or a commit, into the tree store, under git, Mercurial or none.

Invariants: nothing below ``.git`` or ``.hg`` changes by a byte or a time stamp, no lock is taken, no hook and no filter
runs; no link is followed; what is recorded is the bytes on disk; what is left out is reported with its reason; an
unchanged file costs no memory. Absent here: writing files, building, walking the history of the version control
system.
"""

from greenloop.workspace.vcs.checkout import Checkout, read_checkout
from greenloop.workspace.vcs.committed import Revision
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.names import NameWatch
from greenloop.workspace.vcs.place import Place, detect
from greenloop.workspace.vcs.revision import common_ancestor, read_commit, read_revision, resolve_revision
from greenloop.workspace.vcs.working_copy import Reading, WorkingCopy

__all__ = [
    "Checkout",
    "NameWatch",
    "Place",
    "Reading",
    "Revision",
    "Skipped",
    "WorkingCopy",
    "common_ancestor",
    "detect",
    "read_checkout",
    "read_commit",
    "read_revision",
    "resolve_revision",
]
