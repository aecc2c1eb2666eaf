"""Emacs in tmux, by keys alone: what a person types, and what stands on the screen."""

import json
import os
import shlex
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.editors.stage import GENEROUS, Job

LAYER = Path(__file__).resolve().parents[2] / "editors" / "emacs"
# what the README says, and the driver's report
_INIT = """
(add-to-list 'load-path {layer})
(require 'greenloop)
(global-set-key (kbd "C-c g") #'greenloop-menu)
(greenloop-global-mode)
(setq greenloop-command '({command}) make-backup-files nil create-lockfiles nil inhibit-startup-screen t)
(menu-bar-mode -1)
(add-to-list 'load-path {tests})
(add-to-list 'load-path "/usr/share/emacs/site-lisp/elpa-src/markdown-mode-2.5")
(require 'greenloop-drive)
"""


class Keyboard:
    """A person at a terminal of 100 columns and 44 lines."""

    def __init__(self, socket: str, pictures: Path) -> None:
        self._tmux = ("tmux", "-L", socket)
        self._pictures = pictures

    def type(self, text: str) -> None:
        """Type a text, letter by letter."""
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True)

    def press(self, *keys: str) -> None:
        """Press keys by tmux' names for them (``C-c``, ``Enter``)."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def screen(self) -> str:
        """Return what stands on the screen."""
        return subprocess.run([*self._tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout

    def wait(self, *texts: str) -> str:
        """Wait until all of these stand on the screen, and return it."""
        deadline = time.monotonic() + GENEROUS
        while not all(text in (screen := self.screen()) for text in texts):
            assert time.monotonic() < deadline, f"{texts} never came:\n{screen}"
            threading.Event().wait(0.1)
        return screen

    def picture(self, name: str) -> None:
        """Keep the screen as an artefact of the run."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        (self._pictures / f"{name}.txt").write_text("\n".join(map(str.rstrip, self.screen().splitlines())) + "\n")


@contextmanager
def at_the_keyboard(job: Job, folder: Path, opened: str, pictures: Path) -> Iterator[Keyboard]:
    """Start Emacs on a file of the job's workspace, in a home of its own; it ends with the block."""
    home = folder / "emacs-home"
    home.mkdir()
    init = home / "init.el"
    command = " ".join(json.dumps(word) for word in (*job.command, "aid", "connect"))
    paths = {"layer": json.dumps(str(LAYER)), "tests": json.dumps(str(LAYER / "test"))}
    init.write_text(_INIT.format(command=command, **paths))
    socket = f"greenloop-{uuid.uuid4().hex[:8]}"
    words: Sequence[str] = ("emacs", "-nw", "-Q", "-l", str(init), opened)
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    # the settings of whoever runs the tests are nobody's here
    subprocess.run(
        ["tmux", "-L", socket, "-f", os.devnull, "new-session", "-d", "-x", "100", "-y", "44", shlex.join(words)],
        check=True, cwd=job.root, env=environment,
    )  # fmt: skip
    try:
        yield Keyboard(socket, pictures)
    finally:
        subprocess.run(["tmux", "-L", socket, "kill-server"], check=False, capture_output=True)
