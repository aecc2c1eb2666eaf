"""Reading a checkout on disk, or a commit, into the tree store, under git, Mercurial or none.

Invariants: nothing below ``.git`` or ``.hg`` changes by a byte or a time stamp, no lock is taken, no hook runs; no
link is followed; what is left out is reported with its reason. Absent here: writing files, building, walking the
history of the version control system.
"""

from greenloop.workspace.vcs.checkout import Checkout, CheckoutReader, Place, detect, read_checkout
from greenloop.workspace.vcs.committed import Revision
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.names import NameWatch
from greenloop.workspace.vcs.revision import read_commit, read_revision, resolve_revision
from greenloop.workspace.vcs.working_copy import Reading, WorkingCopy

__all__ = [
    "Checkout",
    "CheckoutReader",
    "NameWatch",
    "Place",
    "Reading",
    "Revision",
    "Skipped",
    "WorkingCopy",
    "detect",
    "read_checkout",
    "read_commit",
    "read_revision",
    "resolve_revision",
]
