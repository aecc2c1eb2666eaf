"""Greenloop turns a team's edit-and-build cycles into a coding assistant whose suggestions a build has checked.

The rooms of this package, what belongs in each and what must never be there are drawn in
``docs/architecture.md``; import-linter holds the code to that picture.
"""

__version__ = "0.1.0"
