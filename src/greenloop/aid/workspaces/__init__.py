"""The workspaces that editors have open: each as a tree that follows the disk, and whether it is green.

Invariants: a workspace is not built until the person trusts it, and no longer once the trust is taken back; the tree is
brought up to date from the paths that changed, never read anew for a request; nothing is written below the root.
Absent here: turns, models, sockets.
"""
