"""``ask`` and ``fix`` as clients of the sidecar: a turn begun, shown as ever, and written as it is handed over."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.markup import escape
from rich.status import Status as Spinner

from greenloop.aid.client.client import Client
from greenloop.aid.client.writing import write_handed_over
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import FileSaved, Problem, WorkspaceOpen, WorkspaceState
from greenloop.aid.protocol.tools import ApprovalRequest
from greenloop.aid.protocol.turns import (
    Outcome,
    Place,
    Proposed,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionShown,
    TurnCandidate,
    TurnEnded,
    TurnExplain,
    TurnProgress,
    TurnRef,
    TurnStart,
    TurnStarted,
)
from greenloop.aid.turns.presenting import FLAGS
from greenloop.cli import contexts, show
from greenloop.cli.aid_explain import explained_of
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.cli.route import Way
from greenloop.prompts.explain import Explained
from greenloop.records import Badge, Cancelled, GreenloopError, InputError, Refused, Status

_GREEN = {Badge.TYPE_CHECKS, Badge.BUILDS, Badge.TESTS_PASS}
_CODES = {words: flag for flag, words in FLAGS.items()}


@dataclass(frozen=True)
class Wish:
    """What a person asks for on the command line, and how it is to be told."""

    kind: Literal["ask", "fix"]
    folder: Path
    words: str = ""
    focus: str = ""
    apply: bool = False
    as_json: bool = False
    explain: bool = False


def through_sidecar(app: App, wish: Wish) -> None:
    """Have the sidecar of this home answer. Exit statuses and output are those of the way without one.

    Raises ``InputError`` when the workspace is not trusted, ``Refused`` with a turn's fault.
    """
    if not wish.folder.exists():
        raise InputError(f"{wish.folder}: no such folder", "name the folder of a project")
    # the sidecar may end meanwhile, which is an error to tell and no reason to die
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    told = _Told()
    approve = told.approve if err.is_terminal and not wish.as_json else None
    with Client(lambda: reached(app), "greenloop", approve=approve) as client:
        opened = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(wish.folder.resolve())))
        if not opened.trusted:
            raise InputError(
                f"{opened.root} is not trusted, so the sidecar builds nothing of it",
                f"`greenloop aid trust {opened.root}`, or `--no-sidecar` to have it built by this command alone",
            )
        _Turn(app, client, opened, wish, told).run()


class _Turn:
    """One turn of the command line."""

    def __init__(self, app: App, client: Client, opened: WorkspaceState, wish: Wish, told: "_Told") -> None:
        self._app = app
        self._client = client
        self._opened = opened
        self._wish = wish
        self._told = told
        self._turn = ""

    def run(self) -> None:
        ended, best = self._made()
        sent, model = self._sent()
        if best is not None:
            self._client.call(catalogue.SUGGESTION_SHOWN, SuggestionShown(turn=self._turn, suggestion=best.id))
        if not self._wish.as_json:
            if sent is not None:
                contexts.show(sent)
            self._show(ended, best, model)
        written = self._apply(best) if self._wish.apply and best is not None else ()
        if self._wish.as_json:
            more = {} if sent is None else {"sent": asdict(sent)}
            print(json.dumps(self._as_json(ended, best, model, written) | more))
        elif written:
            out.print(f"[green]Written:[/] {escape(', '.join(written))}")
        green = ended.account.before == Status.GREEN.value
        fixed = best is not None and best.fixed and not best.flags
        # as without a sidecar: a green tree needs no fix; else only what is verified and clean is a success
        if not ((green and not ended.account.attempts) or fixed or (green and _clean(best))):
            raise typer.Exit(1)

    def _made(self) -> tuple[TurnEnded, Proposed | None]:
        """Make the turn. Ctrl-C cancels it. Raises ``Refused`` with its fault."""
        wish = self._wish
        start = TurnStart(
            workspace=self._opened.workspace,
            kind=wish.kind,
            prompt=wish.words,
            place=Place(path=wish.focus) if wish.focus else None,
        )
        shown: dict[str, Proposed] = {}
        with self._told.progress("asking the sidecar"):
            try:
                for news in self._client.turn(start):
                    match news:
                        case TurnStarted():
                            self._turn = news.turn
                        case TurnProgress():
                            self._told.say(news.text)
                        case TurnCandidate():
                            shown[news.suggestion.id] = news.suggestion
                        case TurnEnded():
                            return self._ended(news), shown.get(news.order[0]) if news.order else None
            except KeyboardInterrupt:
                if self._turn:
                    self._client.call(catalogue.TURN_CANCEL, TurnRef(turn=self._turn))
                raise
        raise AssertionError("a turn's news end with turn/ended")

    def _ended(self, news: TurnEnded) -> TurnEnded:
        if news.fault is not None:
            raise Refused(news.fault.code, news.fault.message, news.fault.way_out)
        if news.outcome is not Outcome.DONE:
            raise Cancelled("the turn was cancelled")
        return news

    def _sent(self) -> tuple[Explained | None, str]:
        """Return what the model was sent, if the person wants to know, and the model's name."""
        found = self._client.call(catalogue.TURN_EXPLAIN, TurnExplain(turn=self._turn))
        return explained_of(found) if self._wish.explain else None, found.model

    def _apply(self, best: Proposed) -> tuple[str, ...]:
        """Write what the sidecar hands over. Raises ``InputError`` when it is not verified, and as the writing does."""
        if not _clean(best):
            why = ", ".join(_flags(best)) or best.label
            raise InputError(
                f"the best suggestion is not written: {why}", "nothing was changed; look at the diff and edit by hand"
            )
        handover = self._client.call(catalogue.SUGGESTION_ACCEPT, SuggestionAccept(turn=self._turn, suggestion=best.id))
        try:
            if handover.badge not in _GREEN:
                raise InputError(
                    f"the best suggestion is not written: on the files as they are now it is {handover.label}",
                    "nothing was changed; ask again",
                )
            written = write_handed_over(Path(self._opened.root), self._app.home.trees, handover.files)
        except GreenloopError as error:
            self._applied(handover.acceptance, applied=False, note=error.message)
            raise
        try:
            self._applied(handover.acceptance, applied=True)
        except Refused as error:
            # a sidecar that was restarted meanwhile knows nothing of it; the files are written all the same
            err.print(f"[yellow]It is written, but the sidecar does not count it:[/] {escape(error.message)}")
        for path in written:
            self._client.tell(catalogue.FILE_SAVED, FileSaved(workspace=self._opened.workspace, path=path))
        return written

    def _applied(self, acceptance: str, *, applied: bool, note: str = "") -> None:
        self._client.call(
            catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=acceptance, applied=applied, note=note)
        )

    def _show(self, ended: TurnEnded, best: Proposed | None, model: str) -> None:
        _problems(ended.account.problems, most=1)
        if best is not None:
            out.print()
            out.print(show.coloured_diff(best.diff), end="")
            # what was checked without the sandbox says so in its label
            badge = show.labelled(best.badge, best.label, _flags(best), sandboxed=True)
            out.print(badge, f" by {escape(_made_by(best, model))}")
            _problems(best.problems, most=2)
        if ended.text:
            out.print(escape(ended.text))
        out.print(escape(ended.summary))
        out.print(f"[dim]By the sidecar; `greenloop aid explain {self._turn}` shows what the model was sent.[/]")
        if best is not None and best.badge not in _GREEN:
            out.print("[bold]Nothing here is verified to work.[/] What is shown is the nearest attempt.")

    def _as_json(
        self, ended: TurnEnded, best: Proposed | None, model: str, written: tuple[str, ...]
    ) -> dict[str, object]:
        account = ended.account
        return {
            "way": Way.SIDECAR.value,
            "turn": self._turn,
            "before": account.before,
            "fixed": best is not None and best.fixed and not best.flags,
            "badge": str(best.badge) if best is not None else None,
            "flags": _flags(best) if best is not None else [],
            "model": _made_by(best, model) if best is not None else None,
            "diff": best.diff if best is not None else "",
            "attempts": account.attempts,
            "why_not": account.why_not,
            "summary": ended.summary,
            "written": list(written),
        }


def _clean(best: Proposed | None) -> bool:
    return best is not None and best.badge in _GREEN and not best.flags


def _flags(best: Proposed) -> list[str]:
    """Return the flags as the way without a sidecar names them."""
    return [_CODES.get(flag, flag) for flag in best.flags]


def _made_by(best: Proposed, model: str) -> str:
    return model if best.source == "model" else best.source


def _problems(problems: tuple[Problem, ...], most: int) -> None:
    for problem in problems[:most]:
        place = problem.path or "(no place)"
        if problem.range is not None:
            place += f":{problem.range.start.line + 1}:{problem.range.start.column + 1}"
        out.print(f"[bold]{escape(place)}[/]: [red]{problem.severity}[/]: {escape(problem.message)}")
    if len(problems) > most:
        out.print(f"[dim]… and {len(problems) - most} more[/]")


class _Told:
    """What the person at the terminal sees while a turn runs, and is asked."""

    def __init__(self) -> None:
        self._spinner: Spinner | None = None
        self._asking = threading.Lock()

    @contextmanager
    def progress(self, title: str) -> Iterator[None]:
        """Show what goes on for as long as the block runs; nothing where there is no terminal."""
        if not err.is_terminal:
            yield
            return
        with err.status(title) as spinner:
            self._spinner = spinner
            try:
                yield
            finally:
                self._spinner = None

    def say(self, text: str) -> None:
        """Show a sentence in the place of the one before."""
        if self._spinner is not None and text:
            self._spinner.update(escape(text))

    def approve(self, asked: ApprovalRequest) -> bool:
        """Ask the person whether a tool may be called, one question at a time; whatever is no yes is a no."""
        with self._asking:
            if self._spinner is not None:
                self._spinner.stop()
            try:
                err.print(f"[bold]{escape(asked.tool)}[/] {escape(json.dumps(asked.arguments, ensure_ascii=False))}")
                err.print(f"  {escape(asked.why)}")
                err.print("May it be called? \\[y/N] ", end="")
                return _line().strip().lower() in {"y", "yes"}
            finally:
                if self._spinner is not None:
                    self._spinner.start()


def _line() -> str:
    """Return a line of the terminal, empty where nobody can type one."""
    try:
        return input()
    except (EOFError, OSError):
        return ""
