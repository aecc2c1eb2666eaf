"""Candidates without a model: edits of a few tokens at and near the first error, likeliest first.

Each kind of edit is a file: ``replacing``, ``inserting``, ``removing``, ``swapping``, ``wrapping``. What they draw
from is what stands in the file (``site``) and a small table of OCaml (``tables``); other languages get what needs none.
``weighing`` puts all of them into one order by weights that were fitted to real sessions (``docs/search.md``).
Invariants: the same tree and error give the same edits in the same order; comments and strings are never entered;
nothing is judged here, so an edit is no better than its verdict. Absent here: verdicts, models, the disk.
"""
