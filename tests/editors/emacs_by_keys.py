"""Emacs on a terminal, by keys alone: what a person types, and what stands on the screen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.editors.stage import Job
from tests.editors.tmux import Screen, screen

LAYER = Path(__file__).resolve().parents[2] / "editors" / "emacs"
PICTURES = LAYER.parents[1] / "build" / "editors" / "emacs"
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
        """Keep the screen as an artefact of the run."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        lines = [line.rstrip() for line in self._at.text().splitlines()]
        (PICTURES / f"{name}.txt").write_text("\n".join(lines) + "\n")


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
