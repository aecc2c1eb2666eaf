import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def test_doctor_finds_everything_here_and_tries_every_layer(greenloop: Greenloop) -> None:
    done = greenloop("doctor", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert report["healthy"] is True
    groups = {finding["group"] for finding in report["findings"]}
    assert groups == {"tools", "sandbox", "local model", "toolchain images", "home"}
    assert sum(finding["group"] == "sandbox" for finding in report["findings"]) >= 5


def test_doctor_names_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    """Without any program on PATH it says so for each, with the command that brings it, and ends with 1."""
    done = subprocess.run(
        [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), "doctor", "--json"],
        capture_output=True, text=True, check=False, env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    report = json.loads(done.stdout)
    missing = {finding["name"]: finding["way_out"] for finding in report["findings"] if not finding["ok"]}
    assert done.returncode == 1
    assert "apt-get install ocaml-nox" in missing["ocamlc"]
    assert "apt-get install ocaml-dune" in missing["dune"]
    assert "apt-get install mercurial" in missing["hg"]


def test_doctor_prints_a_table_for_people(greenloop: Greenloop) -> None:
    done = greenloop("doctor")
    assert "Everything is here" in done.stdout
    assert "ocamlc" in done.stdout


def test_init_recognises_a_dune_project_under_git(greenloop: Greenloop, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "lib").mkdir(parents=True)
    (project / "dune-project").write_text("(lang dune 2.9)\n")
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    done = greenloop("init", cwd=project / "lib")
    assert done.returncode == 0, done.stderr
    assert "git checkout" in done.stdout
    assert 'kind = "dune"' in (project / "greenloop.toml").read_text()
    again = greenloop("init", cwd=project)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_init_recognises_mercurial_and_loose_files(greenloop: Greenloop, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.ml").write_text("let x = 1\n")
    subprocess.run(["hg", "init", str(project)], check=True)
    done = greenloop("init", project)
    assert "hg checkout" in done.stdout
    assert 'kind = "ocaml_file"' in (project / "greenloop.toml").read_text()


def test_init_asks_for_commands_where_nothing_is_recognised(greenloop: Greenloop, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.zig").write_text("")
    done = greenloop("init", project)
    assert "command.check" in done.stdout
    assert 'kind = "command"' in (project / "greenloop.toml").read_text()
    unfilled = greenloop("fix", project)
    assert unfilled.returncode == 2
    assert "command.check in greenloop.toml is empty" in unfilled.stderr


def test_the_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_and_help(greenloop: Greenloop) -> None:
    assert greenloop("--version").stdout.startswith("greenloop 0.")
    shown = greenloop("--help").stdout
    for command in ("doctor", "init", "record", "import", "report", "mine", "dataset", "eval", "fix", "ask"):
        assert command in shown


def test_a_wrong_option_ends_with_2(greenloop: Greenloop) -> None:
    done = greenloop("mine", "--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
