"""A terminal on which a program runs, typed to and read as a person does: tmux, on a server of its own."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.editors.stage import GENEROUS


@dataclass(frozen=True)
class Screen:
    """One terminal of 120 columns and 40 lines."""

    socket: Path

    def keys(self, *names: str) -> None:
        """Press keys by their names in tmux: `Escape`, `Enter`, `C-c`."""
        self._tmux("send-keys", "-t", "it", *names)

    def type(self, text: str) -> None:
        """Type a text as it stands."""
        self._tmux("send-keys", "-t", "it", "-l", "--", text)

    def text(self) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-t", "it", "-p")

    def until(self, look: "str | Callable[[str], bool]") -> str:
        """Wait until a text is on the screen, or what is on it satisfies a function; return it."""
        deadline = time.monotonic() + GENEROUS
        while time.monotonic() < deadline:
            shown = self.text()
            if look in shown if isinstance(look, str) else look(shown):
                return shown
            time.sleep(0.1)
        raise AssertionError(f"waited in vain for {look}; the screen is\n{self.text()}")

    def _tmux(self, *words: str) -> str:
        ran = subprocess.run(
            ["tmux", "-S", str(self.socket), *words], check=True, capture_output=True, text=True, timeout=GENEROUS
        )
        return ran.stdout


@contextmanager
def screen(folder: Path, command: Sequence[str], environment: dict[str, str]) -> Iterator[Screen]:
    """Run a command on a screen; it ends with it. ``folder`` has a short name: the server's socket lies in it."""
    made = Screen(folder / "tmux")
    given = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
    # no settings of whoever runs this; a key is not held back to see whether it begins a sequence
    made._tmux(
        "-f", "/dev/null", "new-session", "-d", "-s", "it", "-x", "120", "-y", "40", *given, *command,
        ";", "set-option", "-s", "escape-time", "0",
    )  # fmt: skip
    try:
        yield made
    finally:
        made._tmux("kill-server")
