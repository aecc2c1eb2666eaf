"""From histories to proven examples: clean, judge, find episodes or changes, filter, put into words.

Invariants: an example's base is red with an error and its target green, or both are green where somebody went on from
there (a commit, a feature), by verdicts under one toolchain and suite; its edit applies exactly and leads to its
target; no pair reaches across a cut; its prompt names nothing that only the new code has; what Greenloop wrote and a
person accepted never becomes an example; every rule that drops something counts what it drops; the same history gives
the same examples in the same order.
Absent here: torch, opening models, the parts of a dataset, and files but the kept answers of a model.
"""
