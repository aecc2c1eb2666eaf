"""Emacs on a terminal, by keys alone: what a person types, and what stands on the screen."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.editors.stage import Job, Report
from tests.editors.tmux import Screen, screen

LAYER = Path(__file__).resolve().parents[2] / "editors" / "emacs"
PICTURES = LAYER.parents[1] / "build" / "editors" / "emacs"
PAGES = {
    LAYER.parents[1] / "docs" / "emacs.md": ("1-fixed", "2-accepted", "4-half-refused", "5-approval"),
    LAYER / "README.md": ("4-half-refused",),
}
"""Pages with screens, and the pictures that these are, in order."""
# what the README says, and the driver's report
_INIT = """
(add-to-list 'load-path {layer})
(require 'greenloop)
(global-set-key (kbd "C-c g") #'greenloop-menu)
(greenloop-global-mode)
(setq greenloop-command '({command}) make-backup-files nil create-lockfiles nil auto-save-default nil)
(menu-bar-mode -1)
(dolist (folder '({tests} "/usr/share/emacs/site-lisp/elpa-src/markdown-mode-2.5")) (add-to-list 'load-path folder))
(require 'greenloop-drive)
"""
_MODE_LINE = re.compile(r"(-F1  .*?\S) +(?:All|Top|Bot|\d+%) L\d+ +(\(.*\)) -+$", re.MULTILINE)


class Person:
    """A person at a keyboard."""

    def __init__(self, at: Screen) -> None:
        self._at = at

    def type(self, *lines: str) -> None:
        """Type texts, each with Enter behind it."""
        for line in lines:
            self._at.type(line)
            self._at.keys("Enter")

    def press(self, *keys: str) -> None:
        """Press keys."""
        self._at.keys(*keys)

    def write(self, text: str) -> None:
        """Type a text, and nothing behind it."""
        self._at.type(text)

    def menu(self, key: str) -> None:
        """Choose from Greenloop's menu."""
        self.press("C-c", "g")
        self.wait("the whole project", "run a tool")
        self.press(key)

    def wait(self, *texts: str) -> None:
        """Wait until all of these stand on the screen."""
        self._at.until(lambda shown: all(text in shown for text in texts))

    def picture(self, name: str) -> None:
        """Wait until the screen is what the pages show under this name, and keep it as an artefact of the run."""
        self.wait(*(part for page in PAGES for line in on_page(page).get(name, ()) for part in parts(line)))
        PICTURES.mkdir(parents=True, exist_ok=True)
        lines = [line.rstrip() for line in self._at.text().splitlines()]
        (PICTURES / f"{name}.txt").write_text("\n".join(lines) + "\n")

    def report(self, job: Job) -> Report:
        """Let Emacs write down what happened in it, and return that; a later message may hide that it is written."""
        self.press("M-x")
        self.type("greenloop-drive-report", job.report)
        self._at.until(lambda _: Path(job.report).exists())
        return Report.model_validate_json(Path(job.report).read_bytes())


def on_page(page: Path) -> dict[str, tuple[str, ...]]:
    """Return the lines of each screen of a page by the name of its picture; a screen has a mode line."""
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page.read_text(), re.MULTILINE)
    screens = [block for block in blocks if _MODE_LINE.search(block)]
    named = zip(PAGES[page], screens, strict=True)
    return {name: tuple(line[4:] for line in block.splitlines() if line.strip()) for name, block in named}


def parts(line: str) -> tuple[str, ...]:
    """Return what of a line of a page stands on the screen as it is: of a mode line all but place and length."""
    found = _MODE_LINE.search(line)
    return found.groups() if found else (line,)


@contextmanager
def at_the_keyboard(job: Job, opened: str) -> Iterator[Person]:
    """Start Emacs on a file of the job's workspace, in a home of its own; it ends with the block."""
    home = Path(job.report).parent / f"{job.name}-emacs"
    home.mkdir()
    init = home / "init.el"
    command = " ".join(json.dumps(word) for word in (*job.command, "aid", "connect"))
    paths = {"layer": json.dumps(str(LAYER)), "tests": json.dumps(str(LAYER / "test"))}
    init.write_text(_INIT.format(command=command, **paths))
    surroundings = {"HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "screen-256color"}
    words = ("emacs", "-nw", "-Q", "-l", str(init), str(Path(job.root) / opened))
    with screen(home, words, surroundings) as at:
        yield Person(at)
