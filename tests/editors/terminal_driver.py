"""The example of a fourth layer, `examples/terminal_client.py`: typed to and read as a person does."""

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

from tests.editors.scenario import Ask, AwaitStatus, AwaitWords, Decide, Disk, Fix, Signalled, Step, Tool
from tests.editors.stage import GENEROUS, Job, Report, TurnReport

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "terminal_client.py"


def able(steps: tuple[Step, ...]) -> bool:
    """Whether a terminal can: it has no buffers, so nothing unsaved, and shows no ranges."""
    return not {step.do for step in steps} & {"edit", "await-problem"}


def drive(job: Job) -> Report:
    """Play a job in a terminal client."""
    words = [sys.executable, str(PROGRAM), job.root, *job.command]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        terminal = _Terminal(process)
        terminal.until_line("# /")
        for step in job.steps:
            terminal.take(step, Path(job.root))
        terminal.quit()
    return Report(turns=tuple(terminal.turns), told=(terminal.seen,))


class _Terminal:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._pieces: queue.Queue[str] = queue.Queue()
        self.seen = ""
        self._read = 0
        self.turns: list[TurnReport] = []
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while piece := self._process.stdout.read(1):
            self._pieces.put(piece)

    def quit(self) -> None:
        """Leave, and wait for the end."""
        self.type("quit")
        self._ear.join(GENEROUS)

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def until_line(self, *beginnings: str) -> str:
        """Wait for a line that begins so, after what was waited for before; return it."""
        while True:
            *lines, _ = self.seen[self._read :].split("\n")
            for line in lines:
                self._read += len(line) + 1
                if line.startswith(beginnings):
                    return line
            self.seen += self._pieces.get(timeout=GENEROUS)

    def until_words(self, text: str) -> None:
        """Wait for words, which may stand in a line that has not ended."""
        while text not in self.seen[self._read :]:
            self.seen += self._pieces.get(timeout=GENEROUS)

    def take(self, step: Step, root: Path) -> None:
        match step:
            case Ask():
                self._ask(("also " if step.go_on else "ask ") + step.prompt, step.path, step.line)
            case Fix():
                self._ask("fix", step.path, step.line)
            case Disk():
                (root / step.path).write_text(step.content)
            case Tool():
                self.type(f"tool {step.name} {json.dumps(step.arguments)}")
                self.until_line("? ")
                self.type("yes" if step.approve else "no")
                self.until_line("= ", "! ")
            case AwaitStatus():
                self.until_line(f"# build: {step.state}")
            case AwaitWords():
                self.until_words(step.text)
            case Signalled():
                _signal(step)
            case Decide():
                self.type(" ".join([step.do, *step.hunks, *([step.path] if step.path else [])]))
                self.until_line("= ", "! ")
            case _ if step.do == "await-end":
                self._end()
            case _ if step.do == "undo":
                self.type("undo")
                self.until_line("= taken back")
            case _ if step.do == "cancel":
                self.type("cancel")

    def _ask(self, line: str, path: str, number: int) -> None:
        self.type(f"at {path}:{number + 1}" if path else "at")
        self.type(line)

    def _end(self) -> None:
        outcome, label, fault = self.until_line("= ").removeprefix("= ").split(", ")
        self.turns.append(
            TurnReport(outcome=outcome, label="" if label == "-" else label, fault="" if fault == "-" else fault)
        )


def _signal(step: Signalled) -> None:
    path = Path(step.signal)
    path.touch()
    while not path.with_name(path.name + ".done").exists():
        threading.Event().wait(0.02)
