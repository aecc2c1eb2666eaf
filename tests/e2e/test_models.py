"""A model of one's own by the commands that people type: registered, chosen, asked, scored, taken back."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.models.peft_folders import lora

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

RED = 'let half x = x / "2"\n'
SETTINGS = "version = 1\n[model]\ncandidates = 1\nmax_tokens = 16\n"


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def report(folder: Path, model: str, *, blocked: bool) -> Path:
    """Write an evaluation's report, as far as the book of models reads it."""
    folder.mkdir()
    score = {"name": "fixed@1", "value": 0.25, "tasks": 8, "interval": {"low": 0.1, "high": 0.5, "method": "m"}}
    settings = {"model": model, "dataset": "abc", "greedy": 1, "sampled": 0, "seed": 0}
    check = {"blocked": blocked, "reasons": ["12 % of the replies put it off"] if blocked else [], "rates": {}}
    body = {"record": "EvalReport", "version": 1, "settings": settings, "scores": [score], "degenerate": check}
    (folder / "report.json").write_text(json.dumps(body))
    return folder


def asked(greenloop: Greenloop, folder: Path, *words: str) -> set[str]:
    """Run ``greenloop fix`` and return what made its candidates."""
    saved = folder.parent / "turn.json"
    result = greenloop("fix", folder, "--save", saved, *words)
    assert result.returncode == 1, "random factors mend nothing: " + result.stdout + result.stderr
    return {attempt["source"] for attempt in json.loads(saved.read_text())["attempts"]}


def test_add_list_fix_and_the_way_back(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora", blocks=2, scale=0.05)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.ml").write_text(RED)
    (folder / "greenloop.toml").write_text(SETTINGS)
    assert "The default is local." in done(greenloop("models", "list"))
    for number in (1, 2):
        added = done(greenloop("models", "add", "fixer", "--adapter", "lora", "--base", "local"))
        assert f"Added own:fixer@{number}: adapter, 0.7 MB." in added
    listed = json.loads(done(greenloop("models", "list", "--json")))
    assert listed["default"] == "local"
    assert [one["reference"] for one in listed["models"]] == ["own:fixer@1", "own:fixer@2"]

    assert "local:SmolLM2-135M-Instruct.Q4_1" in asked(greenloop, folder)
    assert "own:fixer@1" in asked(greenloop, folder, "--model", "fixer@1")
    assert "not evaluated yet" in done(greenloop("models", "use", "fixer@1"))
    assert "own:fixer@1" in asked(greenloop, folder)
    assert "* own:fixer@1" in done(greenloop("models", "list"))

    good = report(tmp_path / "good", "own:fixer@2", blocked=False)
    assert "fixed@1 25.0 %" in done(greenloop("models", "score", "fixer@2", good))
    assert "an evaluation of own:fixer@2, not of own:fixer@1" in refused(greenloop("models", "score", "fixer@1", good))
    done(greenloop("models", "use", "fixer"))
    shown = done(greenloop("models", "show", "fixer"))
    assert "10.0 to 50.0 %" in shown
    assert "SmolLM2-135M-Instruct.Q4_1.gguf" in shown

    assert "The default is own:fixer@1 again." in done(greenloop("models", "rollback"))
    bad = report(tmp_path / "bad", "own:fixer@2", blocked=True)
    done(greenloop("models", "score", "fixer@2", bad))
    assert "12 % of the replies put it off" in refused(greenloop("models", "use", "fixer@2"))
    assert "own:fixer@1 is the default" in refused(greenloop("models", "remove", "fixer"))
    done(greenloop("models", "remove", "fixer@2"))
    assert "The default is local again." in done(greenloop("models", "rollback"))
    assert "nothing to go back from" in refused(greenloop("models", "rollback"))
    history = done(greenloop("models", "history"))
    assert [line.split()[-2] for line in history.splitlines()[1:]] == [
        "add", "add", "use", "use", "rollback", "remove", "rollback",
    ]  # fmt: skip


def test_what_is_refused(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora", blocks=1)
    assert "give exactly one of" in refused(greenloop("models", "add", "fixer"))
    assert "needs the model that it was trained on" in refused(greenloop("models", "add", "fixer", "--adapter", "lora"))
    assert "already means something else" in refused(greenloop("models", "add", "local", "--adapter", "lora"))
    (tmp_path / "lora/adapter_model.safetensors").rename(tmp_path / "lora/adapter_model.bin")
    words = ("models", "add", "fixer", "--adapter", "lora", "--base", "local")
    assert "weights in pickle are refused" in refused(greenloop(*words))
    assert "no model of yours is called" in refused(greenloop("models", "use", "fixer"))
    assert "No models of your own." in done(greenloop("models", "list"))
    # a model that stands in greenloop.toml comes before the default
    (tmp_path / "greenloop.toml").write_text('version = 1\n[model]\nname = "own:none"\n')
    (tmp_path / "a.ml").write_text(RED)
    assert "no model of yours is called 'own:none'" in refused(greenloop("fix", tmp_path))


def test_converting(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora")
    words = ("models", "convert", "lora", "--base", "local", "--out", "adapter.gguf")
    assert "adapter.gguf: 420 tensors, 9.8 MB." in done(greenloop(*words))
    added = greenloop("models", "add", "fixer", "--gguf", "adapter.gguf", "--base", "local", "--json")
    assert json.loads(done(added))["bytes"] == (tmp_path / "adapter.gguf").stat().st_size <= 12_000_000
