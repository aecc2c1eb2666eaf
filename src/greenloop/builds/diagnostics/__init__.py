"""Reading what compilers, builds and test runners print: text in, diagnostics and test results out.

Invariants: a parser never fails on text that it does not know, it finds nothing there; paths are relative to the
tree; columns are UTF-8 byte offsets, the end exclusive; equal diagnostics are reported once; a message is clipped
at ``MAX_MESSAGE`` characters. ``PARSER_VERSION`` is part of every toolchain's fingerprint: raise it with any change
here that can change a verdict.
Absent here: running anything, and deciding whether a tree is green.
"""

from greenloop.builds.diagnostics.text import MAX_MESSAGE, PARSER_VERSION

__all__ = ["MAX_MESSAGE", "PARSER_VERSION"]
