"""Edits: read from a model's reply or a diff, applied to a tree, and written as either.

Invariants: an edit is applied here and nowhere else, to a tree and never to the disk; all of its files or none;
every place is matched by whole lines and uniquely, and the rung of the ladder is recorded; no path leads outside
the tree, into version control, or through a link. ``parse_reply(render_reply(edit)) == edit``, and
``apply(base, edit_between(base, target))`` is ``target`` at the exact rung.
Absent here: fallbacks that guess, prompts, models, the disk (``workspace.writeback`` writes files).
"""

from greenloop.workspace.edits.applying import Applied, Place, apply
from greenloop.workspace.edits.between import edit_between
from greenloop.workspace.edits.diffs import changed_lines, render_unified
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.reply import parse_reply
from greenloop.workspace.edits.reply_writer import render_reply
from greenloop.workspace.edits.unified import parse_unified

__all__ = [
    "Applied",
    "Place",
    "apply",
    "changed_lines",
    "check_path",
    "edit_between",
    "parse_reply",
    "parse_unified",
    "render_reply",
    "render_unified",
]
