"""A model of one's own by the commands that people type: registered, chosen, asked, taken back."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.models.peft_folders import lora

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

RED = 'let half x = x / "2"\n'
SETTINGS = "version = 1\n[model]\ncandidates = 1\nmax_tokens = 16\n[search]\nenabled = false\n"


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def asked(greenloop: Greenloop, folder: Path, *words: str) -> set[str]:
    """Run ``greenloop fix`` and return what made its candidates."""
    saved = folder.parent / "turn.json"
    result = greenloop("fix", folder, "--save", saved, *words)
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return {attempt["source"] for attempt in json.loads(saved.read_text())["attempts"]}


def test_add_list_fix_and_the_way_back(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora", blocks=2, scale=0.05)
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.ml").write_text(RED)
    (folder / "greenloop.toml").write_text(SETTINGS)
    assert "The default is local." in done(greenloop("models", "list"))
    added = done(greenloop("models", "add", "fixer", "--adapter", "lora", "--base", "smollm2"))
    assert "Added own:fixer@1: adapter, 0.7 MB." in added
    listed = json.loads(done(greenloop("models", "list", "--json")))
    assert (listed["default"], [one["reference"] for one in listed["models"]]) == ("local", ["own:fixer@1"])
    assert "not evaluated yet" in done(greenloop("models", "use", "fixer"))
    assert "own:fixer@1" in asked(greenloop, folder)
    assert "* own:fixer@1" in done(greenloop("models", "list"))

    assert "The default is local again." in done(greenloop("models", "rollback"))
    assert "local" in asked(greenloop, folder)


def test_what_is_refused(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora", blocks=1)
    assert "give exactly one of" in refused(greenloop("models", "add", "fixer"))
    assert "needs the model that it was trained on" in refused(greenloop("models", "add", "fixer", "--adapter", "lora"))
    assert "already means something else" in refused(greenloop("models", "add", "local", "--adapter", "lora"))
    (tmp_path / "lora/adapter_model.safetensors").rename(tmp_path / "lora/adapter_model.bin")
    words = ("models", "add", "fixer", "--adapter", "lora", "--base", "smollm2")
    assert "weights in pickle are refused" in refused(greenloop(*words))
    assert "no model of yours is called" in refused(greenloop("models", "use", "fixer"))
    assert "No models of your own." in done(greenloop("models", "list"))
    # a model that stands in greenloop.toml comes before the default
    (tmp_path / "greenloop.toml").write_text('version = 1\n[model]\nname = "own:none"\n')
    (tmp_path / "a.ml").write_text(RED)
    assert "no model of yours is called 'own:none'" in refused(greenloop("fix", tmp_path))


def test_converting(greenloop: Greenloop, tmp_path: Path) -> None:
    lora(tmp_path / "lora")
    words = ("models", "convert", "lora", "--base", "smollm2", "--out", "adapter.gguf")
    assert "adapter.gguf: 420 tensors, 9.8 MB." in done(greenloop(*words))
    added = greenloop("models", "add", "fixer", "--gguf", "adapter.gguf", "--base", "smollm2", "--json")
    assert json.loads(done(added))["bytes"] == (tmp_path / "adapter.gguf").stat().st_size <= 12_000_000
