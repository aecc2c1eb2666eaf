"""The README tells the truth: every command in it exists, with its options."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def commands() -> list[list[str]]:
    """Return every greenloop command line of the README's shell block, as words."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = [line.partition("   #")[0] for line in block[1].splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(part)[1:] for part in parts if part.startswith("greenloop ")]


def test_every_command_and_option_of_the_readme_exists(greenloop: Greenloop) -> None:
    seen = commands()
    assert {"doctor", "init", "record", "log", "mine", "dataset", "eval", "fix", "ask"} <= {words[0] for words in seen}
    for words in seen:
        path = words[:2] if words[0] in {"dataset", "eval", "import"} else words[:1]
        shown = greenloop(*path, "--help")
        assert shown.returncode == 0, words
        for option in [word for word in words if word.startswith("-")]:
            assert option in shown.stdout, f"{option} of {words}"


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
