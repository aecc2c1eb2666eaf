"""Neovim on a terminal: every step of a job is keys that a person presses, and what is waited for is on the screen.

What a screen does not show byte for byte (the buffers at the end), or scrolls away, Neovim is asked for by its socket.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.editors.neovim_driver import LAYER, NVIM, surroundings
from tests.editors.scenario import Ask, AwaitProblem, AwaitStatus, AwaitWords, Decide, Edit, Fix, Open, Signalled, Tool
from tests.editors.scenario import Step as Story
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
_CONVERSATION = "table.concat(vim.api.nvim_buf_get_lines(require('greenloop.chat').buffer(), 0, -1, true), '\\n')"
_ENDED = (
    "(function() local t, r = require('greenloop.turn').current, require('greenloop.review').shown "
    "if not t or t.running then return '' end "
    "return vim.json.encode({ outcome = t.ended.outcome, fault = t.ended.fault and t.ended.fault.code or '', "
    "label = r and r.turn == t and r.suggestion.label or '' }) end)()"
)


@contextmanager
def seated(job: Job, nvim: Path = NVIM) -> "Iterator[Person]":
    """Start Neovim in the workspace of a job, with a person before it."""
    with tempfile.TemporaryDirectory(prefix="gl") as folder:
        init = Path(folder) / "init.lua"
        init.write_text(_INIT.format(layer=str(LAYER), command=json.dumps(job.command)))
        socket = Path(folder) / "nvim"
        words = [str(nvim), "--clean", "-u", str(init), "--listen", str(socket)]
        with screen(Path(folder), ["sh", "-c", f'cd "{job.root}" && exec {" ".join(words)}'], surroundings(job)) as on:
            on.until("[No Name]")
            yield Person(job, on, socket, nvim)


def drive(job: Job, nvim: Path = NVIM) -> Report:
    """Play a job by keys."""
    with seated(job, nvim) as person:
        for step in job.steps:
            person.take(step)
        return person.report()


class Person:
    """Does a step of a job by keys, and looks at the screen after it."""

    def __init__(self, job: Job, on: Screen, socket: Path, nvim: Path) -> None:
        self._job = job
        self.on = on
        self._server = [str(nvim), "--server", str(socket), "--remote-expr"]
        self._turns: list[TurnReport] = []
        self.told: list[str] = []

    def report(self) -> Report:
        """Return what there is at the end."""
        found = json.loads(self._ask(_BUFFERS))
        buffers = {path: BufferSeen.model_validate(one) for path, one in found.items()}
        return Report(turns=tuple(self._turns), told=(*self.told, self._ask(_CONVERSATION)), buffers=buffers)

    def take(self, step: Story) -> None:
        """Do a step."""
        self._do(step)
        self.told.append(self.on.text())

    def _do(self, step: Story) -> None:
        match step:
            case Open():
                self._open(step.path)
            case Edit():
                self.on.type(f"{step.line + 1}G{step.remove}cc")
                self.on.type(step.insert[0])
                for line in step.insert[1:]:
                    self.on.keys("Enter")
                    self.on.type(line)
                self.on.keys("Escape")
                self.on.until(step.insert[-1])
            case Ask():
                word = "project" if step.whole_project else "reply" if step.go_on else "ask"
                self._request(f"Greenloop {word} {step.prompt}", step.path, step.line)
            case Fix():
                self._request("Greenloop fix", step.path, step.line)
            case Tool():
                arguments = " ".join(f'{name}="{word}"' for name, word in step.arguments.items())
                self.command(f"Greenloop tool {step.name} {arguments}")
                self.on.until("Type number")
                self.on.type("2" if step.approve else "1")
                self.on.keys("Enter")
                self.on.until("owns" if step.approve else "was not called")
            case AwaitStatus():
                self.on.until("[green]" if step.state == "green" else "error]")
            case AwaitProblem():
                self._until(lambda: self._ask(f"#vim.diagnostic.get(0, {{ lnum = {step.line} }})") != "0")
            case AwaitWords():
                # of the conversation: a file on the same screen may hold these words too
                self._until(lambda: step.text in self._ask(_CONVERSATION))
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
            self.command("Greenloop cancel")
        else:
            self.command("Greenloop undo")
            self.on.until("Taken back.")

    def _decide(self, step: Decide) -> None:
        shown = self._ask("vim.api.nvim_buf_line_count(require('greenloop.chat').buffer())")
        if step.hunks:
            for _ in range(20):
                self.on.type("]c")
                if self._ask("(require('greenloop.review').here() or {})[1] or ''") == step.hunks[0]:
                    break
            self.on.type("do" if step.do == "accept" else "dx")
        elif step.path:
            self._open(step.path)
            self.command(f"Greenloop {step.do} file")
        else:
            self.on.type("dO" if step.do == "accept" else "dX")
        # accepted, refused, or why not: the conversation says it
        self._until(lambda: self._ask("vim.api.nvim_buf_line_count(require('greenloop.chat').buffer())") != shown)

    def _open(self, path: str) -> None:
        self.command(f"edit {path}")
        self.on.until(lambda shown: _file(shown).endswith(path))

    def _request(self, command: str, path: str, line: int) -> None:
        if path and not _file(self.on.text()).endswith(path):
            self._open(path)
        turn = "require('greenloop.turn').current"
        before = self._ask(f"tostring({turn})")
        if path:
            self.on.type(f"{line + 1}G")
        self.command(command)
        self._until(lambda: self._ask(f"tostring({turn})") != before)

    def command(self, words: str) -> None:
        """Type a command."""
        self.on.type(f":{words}")
        self.on.keys("Enter")

    def _ask(self, code: str) -> str:
        expression = f"luaeval({json.dumps(code)}, {json.dumps(self._job.root)})"
        ran = subprocess.run([*self._server, expression], check=False, capture_output=True, text=True, timeout=GENEROUS)
        assert ran.returncode == 0, f"{ran.stderr}\n{self.on.text()}"
        return ran.stdout

    def _until(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + GENEROUS
        while not look():
            assert time.monotonic() < deadline, f"waited in vain; the screen is\n{self.on.text()}"
            time.sleep(0.1)


def _file(shown: str) -> str:
    """Return the file that the status line names, in whichever way Neovim shortens it."""
    return shown.splitlines()[-2].split()[0]
