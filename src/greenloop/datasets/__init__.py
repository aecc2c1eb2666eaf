"""Datasets: proven examples, deduplicated, split without leaks, in files that others can read and check.

Invariants: by author no author stands on two sides, by directory no directory, and no episode ever does; of what is
nearly the same one is kept; no file holds a secret that the screen knows; the same examples in any order give the same
bytes, so there is no clock, no path of a machine and no randomness in any file; a folder is replaced whole or not at
all; a file that was changed or cut short is found when it is loaded; what a rule dropped is counted on
the card and named in ``dropped.jsonl``.
Absent here: mining rules, models, training code, network.
"""
