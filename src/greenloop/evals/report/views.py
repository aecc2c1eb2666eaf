"""From results to what the page shows of them."""

from collections.abc import Iterable, Sequence

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.report.data import DiffLine, FixView, SampleView, TaskView
from greenloop.evals.report.filters import facts, keys
from greenloop.evals.results import TaskResult
from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render
from greenloop.records import Asking, Badge, Diagnostic, Status, Suggestion, Task, TreeId, Verdict
from greenloop.workspace.edits import render_unified
from greenloop.workspace.store import TreeStore

MAX_REPLY = 6_000
"""Characters of a reply that are shown; the whole of it is in ``results.jsonl``."""
MAX_DIFF_LINES = 400
_CUT = "… (cut here)"


def task_views(
    store: TreeStore, tasks: Sequence[Task], results: Iterable[TaskResult], *, asking: Asking, limit: int | None = None
) -> tuple[tuple[TaskView, ...], int]:
    """Return scored tasks as they are shown, those with a fix first, and how many are left out beyond ``limit``.

    ``asking`` is that of the run: what the model was shown is gathered again.
    """
    by_id = {task.id: task for task in tasks}
    scored = [result for result in results if result.red and result.task in by_id]
    scored.sort(key=lambda result: (not any(one.fixed for one in result.attempts), result.task))
    views = tuple(_task(store, by_id[result.task], result, asking) for result in scored[:limit])
    return views, len(scored) - len(views)


def fix_view(
    store: TreeStore, before: Verdict, suggestion: Suggestion | None, *, workspace: str, summary: str
) -> FixView:
    """Return a fix attempt as it is shown. ``summary`` is the turn's own sentence."""
    error = error_text(store, before.tree, before.errors)
    if suggestion is None:
        return FixView(workspace, error, summary, fixed=False)
    return FixView(
        workspace,
        error,
        summary,
        fixed=suggestion.fixed and not suggestion.flags,
        badge=suggestion.badge,
        verdict=verdict_text(suggestion.verdict, suggestion.badge),
        model=suggestion.model,
        flags=suggestion.flags,
        diff=diff_lines(render_unified(store, suggestion.base, suggestion.result)),
    )


def verdict_text(verdict: Verdict, badge: Badge) -> str:
    """Return the badge in words: what is known, how many errors, or why nothing is."""
    if badge is Badge.UNVERIFIED:
        return f"unverified: {verdict.note or verdict.status.value}"
    if badge is Badge.ERRORS:
        count = len(verdict.errors)
        return "1 error" if count == 1 else f"{count} errors" if count else f"red: {verdict.note or 'no diagnostic'}"
    return badge.value if verdict.sandboxed else f"{badge.value} (judged without the sandbox)"


def error_text(store: TreeStore, tree: TreeId, errors: Sequence[Diagnostic]) -> str:
    """Return the first error as the compiler prints it, empty when there is none."""
    if not errors:
        return ""
    error = errors[0]
    source = store.read(tree, error.path) if error.path is not None else None
    lines = [] if source is None else source.decode("utf-8", "replace").splitlines()
    more = f"\n(and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return show_diagnostic(error, lines) + more


def diff_lines(diff: str) -> tuple[DiffLine, ...]:
    """Return the lines of a git-style diff, each with its kind; at most ``MAX_DIFF_LINES``."""
    found: list[DiffLine] = []
    in_hunk = False
    lines = diff.splitlines()
    for text in lines[:MAX_DIFF_LINES]:
        if text.startswith("diff --git "):
            in_hunk = False
        elif text.startswith("@@"):
            in_hunk = True
        # within a hunk a removed line may start with `--`, so it is never taken for a header
        kinds = {"+": "add", "-": "remove", "@": "hunk"} if in_hunk else {}
        found.append(DiffLine(kinds.get(text[:1], "same") if in_hunk else "file", text))
    if len(lines) > MAX_DIFF_LINES:
        found.append(DiffLine("hunk", _CUT))
    return tuple(found)


def _task(store: TreeStore, task: Task, result: TaskResult, asking: Asking) -> TaskView:
    question = Question(task.base, task.prompt, task.diagnostics)
    asked = render(question, gather(store, question, budget=asking.budget_tokens), asking.strategy)[-1].content
    own = result.target is not None and result.target in store
    replies = result.replies
    # of a source that proposes a hundred edits those are listed that came to something
    listed = [
        place for place, one in enumerate(result.attempts) if place in replies or one.fixed or place == result.shown
    ]
    return TaskView(
        name=task.id,
        prompt=task.prompt,
        facts=facts(result),
        keys=keys(result),
        error=error_text(store, task.base, [one for one in task.diagnostics if one.severity.value == "error"]),
        asked=asked,
        own=diff_lines(render_unified(store, task.base, result.target)) if own and result.target else (),
        fixed=sum(result.attempts[place].fixed for place in replies),
        replies=len(replies),
        samples=tuple(_sample(store, task.base, result, place) for place in listed),
        others=len(result.attempts) - len(listed),
    )


def _sample(store: TreeStore, base: TreeId, result: TaskResult, place: int) -> SampleView:
    attempt = result.attempts[place]
    changed = attempt.result is not None and attempt.result != base and attempt.result in store
    reply = attempt.reply
    if reply is None:
        label = f"proposal {place + 1}, by {attempt.source}"
    else:
        label = f"sample {result.replies.index(place) + 1}" + (", greedy" if attempt.greedy else "")
    marks = result.marks[place]
    worth = (("shown", place == result.shown), ("same", marks.same), ("exact", marks.exact))
    return SampleView(
        label=label,
        mark=_mark(attempt),
        verdict=_ending(attempt),
        flags=attempt.flags,
        worth=tuple(word for word, holds in worth if holds),
        reply=reply if reply is None or len(reply) <= MAX_REPLY else f"{reply[:MAX_REPLY]}\n{_CUT}",
        diff=diff_lines(render_unified(store, base, attempt.result)) if changed and attempt.result else (),
    )


def _mark(attempt: Attempt) -> str:
    if attempt.fixed:
        return "fixed"
    if attempt.outcome is not Outcome.JUDGED or attempt.verdict is None:
        return "none"
    return "green" if attempt.verdict.status is Status.GREEN else "red"


def _ending(attempt: Attempt) -> str:
    how = {
        Outcome.UNREADABLE: "no edit could be read from the reply",
        Outcome.REFUSED: "the edit does not apply",
        Outcome.UNCHANGED: "the edit changes nothing",
        Outcome.PROTECTED: "only protected files were changed, and they were put back",
        Outcome.UNJUDGED: "not judged",
        Outcome.JUDGED: "fixed" if attempt.fixed else "not fixed",
    }[attempt.outcome]
    detail = attempt.detail if attempt.outcome not in (Outcome.UNCHANGED, Outcome.PROTECTED) else ""
    return f"{how}: {detail}" if detail else how
