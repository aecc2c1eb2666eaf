"""Commits of git and Mercurial as steps from tree to tree: which teach something, and what was asked for.

Invariants: the history is walked parents first, in one order; each rule stands in a file of its own and counts what it
drops; nothing but the commits, their trees and the rules decides. Absent here: judgement (``mining.sources.commits``),
reading repositories (``workspace.vcs``), the network.
"""
