"""What the person did a moment ago: the change that is asked for often goes on with it."""

from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.question import Note


class RecentEdits:
    """The recent edits as one diff, the newest first, as many as have room."""

    def choose(self, desk: Desk) -> None:
        """Choose whole diffs of files: a part of one would show half of a change."""
        chosen: list[str] = []
        for edit in desk.question.recent:
            note = _note([*chosen, edit.diff])
            if desk.draft.note_fits(note):
                chosen.append(edit.diff)
            else:
                desk.draft.leave_out(f"the edit of {edit.path}", "what the person did before")
        if chosen:
            count = "the newest edit" if len(chosen) == 1 else f"the newest {len(chosen)} edits"
            desk.draft.add_note(_note(chosen), f"{count} before the question")


def _note(diffs: list[str]) -> Note:
    return Note("What was changed lately, newest first", "".join(diffs))
