"""A turn as an ACP client shows it: the stages as a plan, each file of a suggestion as a tool call with its diff."""

from collections.abc import Sequence

from acp.helpers import plan_entry, tool_diff_content, update_plan
from acp.schema import (
    AgentPlanUpdate,
    FileEditToolCallContent,
    PermissionOption,
    ToolCallLocation,
    ToolCallStart,
    ToolKind,
)

from greenloop.aid.protocol.turns import FileChange, Proposed, Stage, TurnProgress
from greenloop.workspace.edits.line_changes import sha256_of
from greenloop.workspace.edits.text import split_lines

ALLOW, REFUSE = "accept", "refuse"
OPTIONS = (
    PermissionOption(option_id=ALLOW, name="Accept", kind="allow_once"),
    PermissionOption(option_id=REFUSE, name="Refuse", kind="reject_once"),
)
_STAGES = {
    Stage.READING: "Read the workspace",
    Stage.CHECKING: "Check the code as it is",
    Stage.ASKING: "Ask for candidates",
    Stage.JUDGING: "Judge them by the build",
    Stage.REPAIRING: "Repair with the compiler's message",
}
_VERBS = {"change": "Edit", "create": "Create", "delete": "Delete", "rename": "Rename"}
_KINDS: dict[str, ToolKind] = {"change": "edit", "create": "edit", "delete": "delete", "rename": "move"}


def plan(come: Sequence[TurnProgress], *, ended: bool) -> AgentPlanUpdate:
    """Return the stages that have come, in order, with the newest sentence of each; the last one runs."""
    said = {progress.stage: progress.text for progress in come}
    last = come[-1].stage if come and not ended else None
    return update_plan(
        plan_entry(
            f"{_STAGES[stage]}: {text}" if text else _STAGES[stage],
            status="in_progress" if stage is last else "completed",
        )
        for stage, text in said.items()
    )


def title(suggestion: Proposed, change: FileChange) -> str:
    """Return what is asked about one file, with the badge, which is that of the whole suggestion."""
    count = len(suggestion.files)
    about = f"{suggestion.label} (all {count} files together)" if count > 1 else suggestion.label
    mistrust = f"; look twice: {', '.join(suggestion.flags)}" if suggestion.flags else ""
    return f"{_VERBS[change.kind]} {change.new_path or change.path} [{about}{mistrust}]"


def tool_call(name: str, suggestion: Proposed, change: FileChange, base: str | None, root: str) -> ToolCallStart:
    """Return one file of a suggestion, waiting for its permission. ``base``: the text that it was asked about."""
    path = f"{root}/{change.new_path or change.path}"
    return ToolCallStart(
        session_update="tool_call",
        tool_call_id=name,
        title=title(suggestion, change),
        kind=_KINDS[change.kind],
        status="pending",
        content=[diff(change, base, path)],
        locations=[ToolCallLocation(path=path)],
    )


def diff(change: FileChange, base: str | None, path: str) -> FileEditToolCallContent:
    """Return the whole file before and after; of a base that is gone meanwhile, the lines that change alone."""
    new = "".join(hunk.new for hunk in change.hunks)
    if change.base_sha256 is None:
        return tool_diff_content(path, new)
    if base is None or sha256_of(base) != change.base_sha256:
        return tool_diff_content(path, new, "".join(hunk.old for hunk in change.hunks))
    lines = split_lines(base)
    for hunk in sorted(change.hunks, key=lambda hunk: hunk.start, reverse=True):
        lines[hunk.start : hunk.end] = [hunk.new]
    return tool_diff_content(path, "".join(lines), base)
