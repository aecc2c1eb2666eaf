"""Experiments: which model, strategy and context recipe a task is helped with.

Invariants: an arm is a function of (experiment, developer, task), so that it stays the same over restarts, machines
and days, and nothing has to be remembered; the person cannot see it; a task counts as exposed once a suggestion of it
was shown.
Absent here: statistics (``evals.experiments``).
"""
