"""Reading a checkout on disk into the tree store, under git, Mercurial or none.

Invariants: nothing below ``.git`` or ``.hg`` changes by a byte or a time stamp, no lock is taken, no hook runs; no
link is followed; what is left out is reported with its reason. Absent here: writing files, building, history of
the version control system.
"""

from greenloop.workspace.vcs.checkout import Checkout, CheckoutReader, Place, detect, read_checkout
from greenloop.workspace.vcs.listing import Skipped

__all__ = ["Checkout", "CheckoutReader", "Place", "Skipped", "detect", "read_checkout"]
