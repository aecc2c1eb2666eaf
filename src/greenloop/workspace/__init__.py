"""A checkout on disk, the trees read from it, and the edits that lead from one tree to another.

Invariants: a user's ``.git``, ``.hg``, index, branches and ``_build`` are read, never written; trees live in
Greenloop's own object store; applying an edit exists once, in ``workspace.edits``, and yields a tree, not files.
Absent here: building, judging, models.
"""
