"""``greenloop split`` on a small dune project under git, with the real dune."""

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.records import Example, Origin

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "calc"
    (root / "lib").mkdir(parents=True)
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    (root / "lib/dune").write_text("(library (name calc))\n")
    (root / "lib/calc.ml").write_text("let twice x = 2 * x\n")
    (root / "lib/calc.mli").write_text("val twice : int -> int\n")
    _commit(root, "init", "-q")
    steps = range(1, 41)
    for name, text in (
        ("calc.ml", "".join(f"\nlet times{n} x =\n  x + {f'times{n - 1} x' if n > 1 else '0'}\n" for n in steps)),
        ("calc.mli", "".join(f"\nval times{n} : int -> int\n" for n in steps)),
    ):
        path = root / "lib" / name
        path.write_text(path.read_text() + text)
    _commit(root, "status", "-s")
    return root


def _commit(root: Path, *first: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (first, ("add", "-A"), (*name, "commit", "-qm", "one")):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def test_a_change_of_two_hundred_lines(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces.jsonl"
    done = greenloop("split", str(project), "--from", "HEAD~1", "--to", "HEAD", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["exact"], said["green_prefix_share"], said["unsplit"]) == (True, 1.0, "")
    assert said["pieces"] == len(said["sizes"]) == said["examples"] == 3
    assert max(said["sizes"]) <= 100
    examples = [Example.from_json(line) for line in out.read_text().splitlines()]
    assert all(one.origin is Origin.FEATURE and one.changed_lines <= 100 for one in examples)
    assert all(one.target == other.base for one, other in itertools.pairwise(examples))


def test_what_to_split_must_be_said(greenloop: Greenloop, project: Path) -> None:
    done = greenloop("split", str(project), "--from", "HEAD")
    assert done.returncode == 2
    assert "--to or --branch" in done.stderr
