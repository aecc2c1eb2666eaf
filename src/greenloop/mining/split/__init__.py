"""A large change as isolated ones: cut into fragments, ordered by what needs what, packed, and proven by builds.

Invariants: the pieces lead from the feature's base to exactly its target, whatever is in it; a prefix is called green
only when a verdict says so; the number of builds is bounded by the number of pieces planned before the first; no
verdict is guessed, and what could not be cut is named with the reason. Rules and grammar only propose an order: the
judge decides.
Absent here: files, the network, version control (``greenloop.mining.features`` reads features).
"""
