"""What a model is shown, seen from the command line."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

RED = 'let half x = x / "2"\nlet twice x = x * 2\n'
FIX = 'a.ml\n<<<<\nlet half x = x / "2"\n====\nlet half x = x / 2\n>>>>\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "loose"
    made.mkdir()
    (made / "a.ml").write_text(RED)
    (tmp_path / "script.jsonl").write_text(json.dumps({"replies": [FIX]}) + "\n")
    return made


def test_explain_shows_what_was_sent_and_why(greenloop: Greenloop, folder: Path, tmp_path: Path) -> None:
    asked = ("fix", folder, "--model", f"scripted:{tmp_path / 'script.jsonl'}", "-n", "1", "--explain")
    shown = greenloop(*asked)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "user · error" in shown.stdout
    assert "the error that the question is about" in shown.stdout
    assert 'let half x = x / "2"' in shown.stdout
    told = greenloop(*asked, "--json")
    sent = json.loads(told.stdout)["sent"]
    roles = [part["role"] for part in sent["parts"]]
    assert roles == ["system", "user", "user", "user"]
    assert [part["plugin"] for part in sent["parts"]] == ["instructions", "small-file", "error", "person"]
    assert sent["left_out"] == []


def test_the_recipe_of_greenloop_toml_is_what_runs(greenloop: Greenloop, folder: Path, tmp_path: Path) -> None:
    model = f"scripted:{tmp_path / 'script.jsonl'}"
    (folder / "greenloop.toml").write_text(
        '[context]\nrecipe = "short"\n[context.recipes]\nshort = [{ plugin = "focus" }, { plugin = "map" }]\n'
    )
    words = ("ask", "halve by 2", "--in", folder, "--model", model, "-n", "1", "--explain", "--json")
    result = greenloop(*words)
    sent = json.loads(result.stdout)["sent"]
    assert [part["plugin"] for part in sent["parts"]] == ["instructions", "map", "person"]
    (folder / "greenloop.toml").write_text('[context]\nrecipe = "none-such"\n')
    refused = greenloop(*words)
    assert refused.returncode == 2
    assert "no recipe is called 'none-such'" in refused.stderr
    assert "wide" in refused.stderr
