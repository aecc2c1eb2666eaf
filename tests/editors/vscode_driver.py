"""Plays a scenario in VS Code as a person does: by clicks and keys, in the packaged layer."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame, Locator, expect
from playwright.sync_api import TimeoutError as TooLate
from tests.editors import scenario as steps
from tests.editors.stage import BufferSeen, Job, Report, TurnReport
from tests.editors.vscode_server import GENEROUS, Code, Window

_SOME = re.compile(".+")
_BUFFERS = """
const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
const shown = new Set(tabs.map((tab) => tab.input?.uri?.toString()));
return vscode.workspace.textDocuments
  .filter((one) => one.uri.scheme === "file" && (one.isDirty || shown.has(one.uri.toString())))
  .map((one) => [vscode.workspace.asRelativePath(one.uri),
    Buffer.from((one.encoding === "utf8bom" ? "\\ufeff" : "") + one.getText()).toString("base64"), one.isDirty]);
"""
_PROBLEM = """
const [path, line, text] = given;
const uri = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, path);
const document = await vscode.workspace.openTextDocument(uri);
return vscode.languages.getDiagnostics(uri).some((one) => one.source === "Greenloop"
  && one.range.start.line === line && document.getText(one.range) === text);
"""


class Player:
    """One play. ``told`` and ``turns`` are what the person has seen of it."""

    def __init__(self, window: Window, job: Job) -> None:
        self.window = window
        self.job = job
        self.turns: list[TurnReport] = []

    def report(self) -> Report:
        """Say what there is."""
        self.window.listen()
        self._hear()
        buffers = {path: BufferSeen(base64=text, modified=dirty) for path, text, dirty in self.window.ask(_BUFFERS)}
        return Report(turns=tuple(self.turns), told=tuple(self.window.told), buffers=buffers)

    def do(self, step: steps.Step) -> None:
        """Do one step."""
        match step:
            case steps.Open():
                self.window.go_to(step.path, 0)
            case steps.Edit():
                self._edit(step)
            case steps.Disk():
                (Path(self.job.root) / step.path).write_bytes(step.content.encode())
            case steps.Ask():
                self._ask(step)
            case steps.Fix():
                self._fix(step)
            case steps.Tool():
                self._tool(step)
            case steps.AwaitStatus():
                status = self.window.page.locator(f'[aria-label*="Greenloop: the build is {step.state}"]')
                expect(status.first).to_be_visible()
            case steps.AwaitProblem():
                self.window.wait(_PROBLEM, [step.path, step.line, step.text])
            case steps.AwaitWords():
                expect(self._turn()).to_contain_text(step.text)
            case steps.Signalled():
                _signal(Path(step.signal))
            case steps.Decide():
                self._decide(step)
            case steps.Simple(do="await-end"):
                self.end()
            case steps.Simple(do="cancel"):
                self.view.locator("#cancel").click()
            case steps.Simple(do="undo"):
                self._turn().get_by_role("button", name="Undo the last acceptance").click()
                expect(self._turn().get_by_role("button", name="Accept the suggestion")).to_be_visible()

    @property
    def view(self) -> Frame:
        """The sidebar."""
        return self.window.view()

    def _turn(self) -> Locator:
        return self.view.locator("section.turn").last

    def _edit(self, step: steps.Edit) -> None:
        self.window.go_to(step.path, step.line)
        self.window.keys(*["Shift+ArrowDown"] * step.remove)
        self.window.page.keyboard.type("".join(f"{line}\n" for line in step.insert))
        self.window.wait(
            "return vscode.window.activeTextEditor.document.getText().replaceAll('\\r\\n', '\\n').includes(given)",
            "".join(f"{line}\n" for line in step.insert),
        )

    def _ask(self, step: steps.Ask) -> None:
        if step.path:
            self.window.go_to(step.path, step.line)
        if not step.go_on:
            self._hear()
            self.window.palette("Greenloop: New Conversation")
            expect(self.view.locator("section.turn")).to_have_count(0)
        view = self.view
        before = view.locator("section.turn").count()
        view.locator("#whole").set_checked(step.whole_project)
        view.locator("#words").fill(step.prompt)
        view.locator("#words").press("Enter")
        expect(view.locator("section.turn")).to_have_count(before + 1)

    def _fix(self, step: steps.Fix) -> None:
        before = self.view.locator("section.turn").count()
        # VS Code looks for what stands above lines while the text has the focus, so the sidebar comes first
        self.window.go_to(step.path, step.line)
        self.window.page.locator(".codelens-decoration a", has_text="Fix with Greenloop").first.click()
        expect(self.view.locator("section.turn")).to_have_count(before + 1)

    def _tool(self, step: steps.Tool) -> None:
        answered = self.view.locator("#log > *").count()
        self.window.palette("Greenloop: Run a Tool…")
        page = self.window.page
        row = page.locator(".quick-input-list .monaco-list-row", has_text=step.name)
        row.first.click()
        title = page.locator(".quick-input-title")
        left = dict(step.arguments)
        while left:
            # in what order it asks is its own business; a person reads what it asks for
            asked = "|".join(re.escape(key) for key in left)
            expect(title).to_have_text(re.compile(f"^{re.escape(step.name)}: ({asked})$"))
            box = page.locator(".quick-input-widget input.input").first
            box.fill(left.pop(title.inner_text().removeprefix(f"{step.name}: ")))
            box.press("Enter")
        box = page.locator(".monaco-dialog-box")
        expect(box).to_contain_text(step.name)
        for value in step.arguments.values():
            expect(box).to_contain_text(value)
        self.window.listen()
        box.get_by_role("button", name="Run It" if step.approve else "Cancel").click()
        if step.approve:
            expect(self.view.locator("#log > *")).to_have_count(answered + 1)
        else:
            refused = page.locator(".notification-list-item-message", has_text="was not called")
            expect(refused).to_be_visible()

    def end(self) -> None:
        """Wait for the end of the turn, and see its best suggestion."""
        turn = self._turn()
        expect(turn).to_have_attribute("data-outcome", _SOME)
        badge = turn.locator("article .badge")
        if badge.count():
            badge.first.scroll_into_view_if_needed()
        label = badge.first.inner_text() if badge.count() else ""
        self.turns.append(
            TurnReport(
                outcome=turn.get_attribute("data-outcome") or "",
                fault=turn.get_attribute("data-fault") or "",
                label=label,
            )
        )
        self._hear()

    def _decide(self, step: steps.Decide) -> None:
        turn = self._turn()
        word = step.do.capitalize()
        notes = turn.locator(".note").count()
        said = turn.locator(".note").nth(notes)
        if step.path:
            turn.get_by_role("button", name=f"{word} {step.path}", exact=True).click()
            done = turn.get_by_role("button", name=f"{word} {step.path}", exact=True)
        elif step.hunks:
            for hunk in step.hunks:
                at = turn.locator(f'[data-hunk="{hunk}"]')
                at.get_by_role("button", name=word).click()
                expect(at.locator(".decided")).to_be_visible()
            return
        else:
            done = turn.get_by_role("button", name=f"{word} the suggestion")
            done.click()
        _either(done, said)
        self._hear()

    def _hear(self) -> None:
        """Remember what the conversation says."""
        self.window.told.append(self.view.locator("#log").inner_text())


def _either(gone: Locator, said: Locator) -> None:
    """Wait until a button is gone, or something was said."""
    until = time.monotonic() + GENEROUS
    while time.monotonic() < until:
        if gone.count() == 0 or said.count() > 0:
            return
        gone.page.wait_for_timeout(50)
    raise TooLate("neither done, nor told why not")


def _signal(path: Path) -> None:
    path.touch()
    until = time.monotonic() + GENEROUS
    while not path.with_name(path.name + ".done").exists():
        if time.monotonic() > until:
            raise TooLate(f"{path.name} was not done")
        time.sleep(0.02)


def played(vscode: Code, play: Callable[[Player], None], **settings: Any) -> Callable[[Job], Report]:
    """Return a driver that opens a window, does what ``play`` does in the place of the job's steps, and reports."""

    def driver(job: Job) -> Report:
        with vscode.window(Path(job.root), settings={"greenloop.command": list(job.command)} | settings) as window:
            player = Player(window, job)
            try:
                play(player)
                return player.report()
            finally:
                window.picture(job.name)

    return driver


def drive(code: Code, job: Job) -> Report:
    """Play a job in a window of its own, and keep a picture of its end."""

    def play(player: Player) -> None:
        for step in job.steps:
            player.do(step)
            player.window.listen()

    return played(code, play)(job)
