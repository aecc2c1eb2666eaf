"""Neovim on a terminal: every step of a job is keys that a person presses, and what is waited for is on the screen.

What a screen does not show byte for byte (the buffers at the end), or scrolls away, Neovim is asked for by its socket.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.editors.neovim_driver import LAYER, NVIM, surroundings
from tests.editors.scenario import Ask, AwaitProblem, AwaitStatus, AwaitWords, Decide, Edit, Fix, Open, Signalled, Tool
from tests.editors.scenario import Step as Any_
from tests.editors.stage import GENEROUS, BufferSeen, Job, Report, TurnReport
from tests.editors.tmux import Screen, screen

_INIT = """
vim.opt.runtimepath:prepend({layer!r})
vim.o.swapfile, vim.o.laststatus, vim.o.more = false, 3, false
vim.o.statusline = "%f %m [%{{v:lua.require'greenloop'.statusline()}}]"
require("greenloop").setup({{ command = vim.json.decode({command!r}), follow = true }})
"""
_BUFFERS = (
    "(function() local t, r = require('greenloop.text'), {} "
    "for _, b in ipairs(vim.api.nvim_list_bufs()) do "
    "local p = t.relative(_A, vim.api.nvim_buf_get_name(b)) "
    "if p and vim.api.nvim_buf_is_loaded(b) then "
    "r[p] = { base64 = vim.base64.encode(t.of(b)), modified = vim.bo[b].modified } end end "
    "return vim.json.encode(next(r) and r or vim.empty_dict()) end)()"
)
_ENDED = (
    "(function() local t, r = require('greenloop.turn').current, require('greenloop.review').shown "
    "if not t or t.running then return '' end "
    "return vim.json.encode({ outcome = t.ended.outcome, fault = t.ended.fault and t.ended.fault.code or '', "
    "label = r and r.turn == t and r.suggestion.label or '' }) end)()"
)


def drive(job: Job, nvim: Path = NVIM) -> Report:
    """Play a job by keys."""
    with tempfile.TemporaryDirectory(prefix="gl") as folder:
        init = Path(folder) / "init.lua"
        init.write_text(_INIT.format(layer=str(LAYER), command=json.dumps(job.command)))
        socket = Path(folder) / "nvim"
        words = [str(nvim), "--clean", "-u", str(init), "--listen", str(socket)]
        with screen(Path(folder), ["sh", "-c", f'cd "{job.root}" && exec {" ".join(words)}'], surroundings(job)) as on:
            person = _Person(job, on, socket, nvim)
            on.until("[No Name]")
            for step in job.steps:
                person.take(step)
                person.told.append(on.text())
            return person.report()


class _Person:
    def __init__(self, job: Job, on: Screen, socket: Path, nvim: Path) -> None:
        self._job = job
        self._on = on
        self._server = [str(nvim), "--server", str(socket), "--remote-expr"]
        self._turns: list[TurnReport] = []
        self.told: list[str] = []

    def report(self) -> Report:
        found = json.loads(self._ask(_BUFFERS))
        conversation = self._ask(
            "table.concat(vim.api.nvim_buf_get_lines(require('greenloop.chat').buffer() or 0, 0, -1, true), '\\n')"
        )
        buffers = {path: BufferSeen.model_validate(one) for path, one in found.items()}
        return Report(turns=tuple(self._turns), told=(*self.told, conversation), buffers=buffers)

    def take(self, step: Any_) -> None:
        match step:
            case Open():
                self._open(step.path)
            case Edit():
                self._on.type(f"{step.line + 1}G{step.remove}cc")
                self._on.type(step.insert[0])
                for line in step.insert[1:]:
                    self._on.keys("Enter")
                    self._on.type(line)
                self._on.keys("Escape")
                self._on.until(step.insert[-1])
            case Ask():
                word = "project" if step.whole_project else "reply" if step.go_on else "ask"
                self._request(f"Greenloop {word} {step.prompt}", step.path, step.line)
            case Fix():
                self._request("Greenloop fix", step.path, step.line)
            case Tool():
                arguments = " ".join(f"{name}={word}" for name, word in step.arguments.items())
                before = self._on.text()
                self._command(f"Greenloop tool {step.name} {arguments}")
                self._on.until("Type number")
                self._on.type("2" if step.approve else "1")
                self._on.keys("Enter")
                self._on.until(lambda shown: shown != before and ("owns" if step.approve else "Not allowed") in shown)
            case AwaitStatus():
                self._on.until("[green]" if step.state == "green" else "error]")
            case AwaitProblem():
                self._until(lambda: self._ask(f"#vim.diagnostic.get(0, {{ lnum = {step.line} }})") != "0")
            case AwaitWords():
                self._on.until(step.text)
            case Signalled():
                path = Path(step.signal)
                path.touch()
                self._until(path.with_name(path.name + ".done").exists)
            case Decide():
                self._decide(step)
            case _:
                self._simple(step.do)

    def _simple(self, what: str) -> None:
        if what == "await-end":
            self._until(lambda: bool(self._ask(_ENDED)))
            self._turns.append(TurnReport.model_validate_json(self._ask(_ENDED)))
        elif what == "cancel":
            self._command("Greenloop cancel")
        else:
            self._command("Greenloop undo")
            self._on.until("Taken back.")

    def _decide(self, step: Decide) -> None:
        shown = self._ask("vim.api.nvim_buf_line_count(require('greenloop.chat').buffer())")
        if step.hunks:
            for _ in range(20):
                self._on.type("]c")
                if self._ask("(require('greenloop.review').here() or {})[1] or ''") == step.hunks[0]:
                    break
            self._on.type("do" if step.do == "accept" else "dx")
        elif step.path:
            self._open(step.path)
            self._command(f"Greenloop {step.do} file")
        else:
            self._on.type("dO" if step.do == "accept" else "dX")
        # accepted, refused, or why not: the conversation says it
        self._until(lambda: self._ask("vim.api.nvim_buf_line_count(require('greenloop.chat').buffer())") != shown)

    def _open(self, path: str) -> None:
        self._command(f"edit {path}")
        self._on.until(lambda shown: shown.splitlines()[-2].startswith(path))

    def _request(self, command: str, path: str, line: int) -> None:
        if path and not self._on.text().splitlines()[-2].startswith(path):
            self._open(path)
        turn = "require('greenloop.turn').current"
        before = self._ask(f"tostring({turn})")
        if path:
            self._on.type(f"{line + 1}G")
        self._command(command)
        self._until(lambda: self._ask(f"tostring({turn})") != before)

    def _command(self, words: str) -> None:
        self._on.type(f":{words}")
        self._on.keys("Enter")

    def _ask(self, code: str) -> str:
        expression = f"luaeval({json.dumps(code)}, {json.dumps(self._job.root)})"
        ran = subprocess.run([*self._server, expression], check=False, capture_output=True, text=True, timeout=GENEROUS)
        assert ran.returncode == 0, f"{ran.stderr}\n{self._on.text()}"
        return ran.stdout

    def _until(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + GENEROUS
        while not look():
            assert time.monotonic() < deadline, f"waited in vain; the screen is\n{self._on.text()}"
            time.sleep(0.1)
