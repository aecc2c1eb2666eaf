"""From a proposal to a judged candidate: the one path that assists and evaluation share.

A proposal (a model's reply, or an edit that a rule made) is read, applied to its tree, has its protected files put
back, is judged, and is assessed. Each becomes exactly one ``Attempt``, whatever happened on the way.
Invariants: every proposal is accounted for, in order; tests and build files come from the base unless the rules
allow otherwise; a judgement that could not be made is ``unjudged``, never red.
Absent here: ranking for people, statistics, thresholds of acceptance, the disk beside the tree store.
"""
