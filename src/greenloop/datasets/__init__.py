"""Datasets: proven examples, deduplicated, split without leaks, in files that others can read and check.

Invariants: no author (or, split by time, no episode) stands on two sides; the same examples give the same bytes, so
there is no clock, no path of a machine and no randomness in any file; a folder is replaced whole or not at all; a file
that was changed or cut short is found when it is loaded; what a filter dropped is counted on the card.
Absent here: mining rules, models, training code, network.
"""
