"""Persistent checkers: dune's own watch mode over warm trees, for the question whether an edit type-checks.

Invariants: a checker is asked about plain modules alone, whose code nothing runs while types are checked; everything
else is the runner's, and so is whatever a checker does not answer in time and beyond doubt. It runs in the sandbox
above a warm tree that is green and is left as it was. Between two edits it must have been seen green again.
What a checker says is what a one-shot ``dune build @check`` says: same errors, same form. A checker that failed is
replaced, never repaired.
Absent here: what output means (``builds.diagnostics``), build and tests.
"""

from greenloop.builds.checker.pool import Checkers
from greenloop.builds.checker.project import Project, read_project

__all__ = ["Checkers", "Project", "read_project"]
