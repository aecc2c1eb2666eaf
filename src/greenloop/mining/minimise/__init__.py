"""A fix without what its error did not ask for: a person types on, and a mined fix holds all of it.

Invariants: what is kept was judged, and mends what the whole fix mends; it is an example by the same filters; it is no
cheaper than the whole fix (``builds.lint``, top-level names); the builds for one example are bounded; the same
examples and verdicts give the same bytes. A fault of the machine is raised, never taken for red.
Absent here: files, models, and every verdict that the judge did not give.
"""
