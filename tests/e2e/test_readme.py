"""The README tells the truth: every command in it exists, with its options."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def commands() -> list[list[str]]:
    """Return every greenloop command line of the README's shell blocks, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.partition("   #")[0] for block in blocks for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"[&|]+", line)]
    return [shlex.split(part)[1:] for part in parts if part.startswith("greenloop ")]


def path_of(words: list[str]) -> list[str]:
    """Return the words that name the command."""
    groups = ("record", "dataset", "eval", "import", "train", "models")
    depth = {**dict.fromkeys(groups, 2), "ces": 3 if words[1:2] == ["image"] else 2}
    return words[: depth.get(words[0], 1)]


def test_every_command_and_option_of_the_readme_exists(greenloop: Greenloop) -> None:
    seen = commands()
    named = {" ".join(path_of(words)) for words in seen}
    assert {
        "doctor",
        "init",
        "record start",
        "record log",
        "report",
        "mine",
        "fix",
        "ask",
        "ces serve",
        "ces image build",
    } <= named
    assert {"dataset", "eval"} <= {words[0] for words in seen}
    for words in seen:
        shown = greenloop(*path_of(words), "--help")
        assert shown.returncode == 0, words
        for option in [word for word in words if word.startswith("-")]:
            assert option in shown.stdout, f"{option} of {words}"


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
