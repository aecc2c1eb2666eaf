"""A driver without an editor: it keeps texts in a dictionary. It proves the corpus, and does what a layer must."""

import base64
import queue
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.editors.scenario import (
    Ask,
    AwaitProblem,
    AwaitStatus,
    AwaitWords,
    Decide,
    Disk,
    Edit,
    Fix,
    Open,
    Signalled,
    Step,
    Tool,
)
from tests.editors.stage import GENEROUS, BufferSeen, Job, Report, TurnReport

from greenloop.aid.client.client import Client
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Message, Position
from greenloop.aid.protocol.session import FileSaved, Status, WorkspaceOpen, WorkspaceState
from greenloop.aid.protocol.tools import ToolCall
from greenloop.aid.protocol.turns import (
    Buffer,
    Handover,
    Place,
    Proposed,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    SuggestionUndone,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnRef,
    TurnStart,
)
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App
from greenloop.cli.home import Home
from greenloop.records import Refused


def drive(job: Job) -> Report:
    """Play a job by the Python client."""
    person = _Person(job)
    app = App(Home(Path(job.command[-1])), None)
    with Client(lambda: reached(app), "python", approve=lambda _request: person.approves) as client:
        person.begin(client)
        for step in job.steps:
            person.take(step)
    return person.report()


class _Person:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._root = Path(job.root)
        self._open: dict[str, bytes] = {}
        self._unsaved: set[str] = set()
        self._news: queue.Queue[Message] = queue.Queue()
        self._told: list[str] = []
        self._turns: list[TurnReport] = []
        self._words = ""
        self._turn = self._conversation = ""
        self._best: Proposed | None = None
        self._undo: tuple[str, dict[str, bytes | None], set[str]] = ("", {}, set())
        self._status: Status | None = None
        self.approves = False

    def begin(self, client: Client) -> None:
        self._client = client
        client.listen(lambda _name, params: self._news.put(params))
        self._state: WorkspaceState = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(self._root)))

    def report(self) -> Report:
        buffers = {
            path: BufferSeen(base64=base64.b64encode(text).decode(), modified=path in self._unsaved)
            for path, text in self._open.items()
        }
        return Report(turns=tuple(self._turns), told=tuple(self._told), buffers=buffers)

    def take(self, step: Step) -> None:
        kinds: dict[type, Callable[[Any], None]] = {
            Open: self._on_open,
            Edit: self._on_edit,
            Disk: lambda one: self._write(one.path, one.content.encode()),
            Ask: self._on_ask,
            Fix: self._on_fix,
            Tool: self._on_tool,
            AwaitStatus: lambda one: self._until(lambda: self._status and self._status.state == one.state),
            AwaitProblem: lambda one: self._until(lambda: self._at(one)),
            AwaitWords: lambda one: self._until(lambda: one.text in self._words),
            Signalled: _signal,
            Decide: lambda one: self._accept(one) if one.do == "accept" else self._refuse(one),
        }
        simple = {"await-end": self._end, "cancel": self._cancel, "undo": self._take_back}
        kinds.get(type(step), lambda one: simple[one.do]())(step)

    # -- editing

    def _on_open(self, step: Open) -> None:
        self._open[step.path] = (self._root / step.path).read_bytes()

    def _on_edit(self, step: Edit) -> None:
        lines = self._open[step.path].splitlines(keepends=True)
        end = b"\r\n" if lines[0].endswith(b"\r\n") else b"\n"
        lines[step.line : step.line + step.remove] = [line.encode() + end for line in step.insert]
        self._open[step.path] = b"".join(lines)
        self._unsaved.add(step.path)

    def _write(self, path: str, text: bytes | None) -> None:
        target = self._root / path
        if text is None:
            target.unlink()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)

    # -- asking

    def _buffers(self, *paths: str) -> tuple[Buffer, ...]:
        return tuple(Buffer(path=path, text=self._open[path].decode()) for path in paths if path in self._open)

    def _on_ask(self, step: Ask) -> None:
        place = Place(path=step.path, cursor=Position(line=step.line, column=0)) if step.path else None
        self._start(
            kind="ask",
            prompt=step.prompt,
            place=place,
            whole_project=step.whole_project,
            conversation=self._conversation if step.go_on else "",
        )

    def _on_fix(self, step: Fix) -> None:
        seen = self._status.problems if self._status is not None else ()
        self._start(kind="fix", place=Place(path=step.path, cursor=Position(line=step.line, column=0)), seen=seen)

    def _start(self, **fields: Any) -> None:
        self._words, self._best = "", None
        started = self._client.call(
            catalogue.TURN_START,
            TurnStart(workspace=self._state.workspace, buffers=self._buffers(*sorted(self._unsaved)), **fields),
        )
        self._turn, self._conversation = started.turn, started.conversation
        self._ended: TurnEnded | None = None
        self._found: dict[str, Proposed] = {}

    def _hear(self, news: Message) -> None:
        if isinstance(news, Status):
            self._status = news
        elif isinstance(news, TurnDelta) and news.turn == self._turn:
            self._words += news.text
        elif isinstance(news, TurnCandidate) and news.turn == self._turn:
            self._found[news.suggestion.id] = news.suggestion
        elif isinstance(news, TurnEnded) and news.turn == self._turn:
            self._ended = news

    def _until(self, look: Callable[[], object]) -> None:
        deadline = time.monotonic() + GENEROUS
        while not look():
            self._hear(self._news.get(timeout=max(0.0, deadline - time.monotonic())))

    def _end(self) -> None:
        self._until(lambda: self._ended)
        ended = self._ended
        assert ended is not None
        self._best = self._found[ended.order[0]] if ended.order else None
        label = self._best.label if self._best is not None else ""
        fault = ended.fault.code if ended.fault is not None else ""
        self._turns.append(TurnReport(outcome=ended.outcome.value, label=label, fault=fault))
        self._told += [ended.summary, ended.text, label]
        if self._best is not None:
            shown = SuggestionShown(turn=self._turn, suggestion=self._best.id)
            self._client.call(catalogue.SUGGESTION_SHOWN, shown)

    def _cancel(self) -> None:
        self._client.call(catalogue.TURN_CANCEL, TurnRef(turn=self._turn))

    def _at(self, step: AwaitProblem) -> bool:
        for problem in self._status.problems if self._status is not None else ():
            if problem.path == step.path and problem.range is not None and problem.range.start.line == step.line:
                line = self._open[step.path].splitlines()[step.line]
                text = line[problem.range.start.column : problem.range.end.column].decode()
                assert text == step.text, f"the problem is at {text!r}"
                return True
        return False

    def _on_tool(self, step: Tool) -> None:
        self.approves = step.approve
        call = ToolCall(workspace=self._state.workspace, name=step.name, arguments=step.arguments)
        try:
            self._told.append(self._client.call(catalogue.TOOLS_CALL, call).text)
        except Refused as error:
            self._told.append(str(error))

    # -- deciding

    def _chosen(self, step: Decide) -> tuple[str, ...] | None:
        assert self._best is not None
        if step.path:
            return tuple(hunk.id for change in self._best.files if change.path == step.path for hunk in change.hunks)
        return step.hunks or None

    def _refuse(self, step: Decide) -> None:
        assert self._best is not None
        refusal = SuggestionRefuse(turn=self._turn, suggestion=self._best.id, hunks=self._chosen(step))
        self._client.call(catalogue.SUGGESTION_REFUSE, refusal)

    def _accept(self, step: Decide) -> None:
        assert self._best is not None
        paths = [path for change in self._best.files for path in (change.path, change.new_path) if path]
        wish = SuggestionAccept(
            turn=self._turn, suggestion=self._best.id, hunks=self._chosen(step), buffers=self._buffers(*paths)
        )
        try:
            handover = self._client.call(catalogue.SUGGESTION_ACCEPT, wish)
        except Refused as error:
            self._told.append(str(error))
            return
        self._lay(handover)
        self._client.call(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=handover.acceptance, applied=True))

    def _lay(self, handover: Handover) -> None:
        before: dict[str, bytes | None] = {}
        for file in handover.files:
            now = self._text(file.path)
            assert (None if now is None else sha256(now).hexdigest()) == file.base_sha256, file.path
            before[file.path] = now
        self._undo = (handover.acceptance, before, set(self._unsaved))
        self._become({file.path: None if file.text is None else file.text.encode() for file in handover.files})

    def _become(self, files: dict[str, bytes | None]) -> None:
        for path, text in files.items():
            if path in self._open and text is not None:
                self._open[path] = text
            elif path in self._open:
                del self._open[path]
            if path in self._unsaved:
                continue
            self._write(path, text)
            self._client.tell(catalogue.FILE_SAVED, FileSaved(workspace=self._state.workspace, path=path))

    def _take_back(self) -> None:
        acceptance, before, _ = self._undo
        self._become(before)
        self._client.call(catalogue.SUGGESTION_UNDONE, SuggestionUndone(acceptance=acceptance))

    def _text(self, path: str) -> bytes | None:
        if path in self._open:
            return self._open[path]
        target = self._root / path
        return target.read_bytes() if target.exists() else None


def _signal(step: Signalled) -> None:
    path = Path(step.signal)
    path.touch()
    done = path.with_name(path.name + ".done")
    while not done.exists():
        threading.Event().wait(0.02)
