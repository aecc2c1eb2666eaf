"""Every command that the sources tell a person to type is one that there is."""

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import greenloop
from greenloop.cli.main import app

SOURCES = Path(greenloop.__file__).parent
NAMED = sorted(
    {
        (str(path.relative_to(SOURCES)), words)
        for path in SOURCES.rglob("*.py")
        for words in re.findall(r"`greenloop ([a-z][a-z -]*)", path.read_text("utf-8"))
    }
)


@pytest.mark.parametrize(("source", "words"), NAMED)
def test_a_command_that_is_named_is_there(source: str, words: str) -> None:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    for word in words.split():
        if not isinstance(command, TyperGroup):
            break
        assert word in command.commands, f"{source}: greenloop {words}"
        command = command.commands[word]
