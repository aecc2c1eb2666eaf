"""From the commits of a dune project to a dataset, by the commands that people type, under git and Mercurial."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.mining.commits.histories import Repository
from tests.workspace.checkouts import fingerprint

from greenloop.records import Example

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

CALC = "let add x y = x + y\n\nlet twice x = 2 * x\n"
BOB = "Bob <bob@example.org>"


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(params=["git", "hg"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    repo = Repository(request.param, tmp_path / "calc")
    repo.commit(
        "Begin", {"dune-project": "(lang dune 2.9)\n", "lib/dune": "(library (name calc))\n", "lib/calc.ml": CALC}
    )
    repo.commit("Add by hand", {"lib/calc.ml": CALC.replace("x + y", "y + x")})
    repo.commit("Say more", {"README.md": "It adds.\n"})
    repo.commit("Use floats", {"lib/calc.ml": CALC.replace("2 * x", "2.0 * x")}, by=BOB)
    repo.commit("calc: multiplied floats as floats (#4)", {"lib/calc.ml": CALC.replace("2 * x", "2.0 *. x")}, by=BOB)
    added = "".join(f"\nlet f{n} x =\n  x + {n}\n" for n in range(60))
    repo.commit("Add many more functions", {"lib/calc.ml": CALC.replace("2 * x", "2.0 *. x") + added})
    return repo


def test_a_history_becomes_a_dataset(greenloop: Greenloop, project: Repository, tmp_path: Path) -> None:
    before = fingerprint(project.root)
    out = tmp_path / "c.jsonl"
    words = ("mine", "--commits", "--out", out)
    counts = json.loads(done(greenloop(*words, "--json", cwd=project.root)))
    assert fingerprint(project.root) == before
    examples = [Example.from_json(line) for line in out.read_text().splitlines()]
    assert (counts["commits"], counts["verified"]) == (6, 4) == (6, len(examples))
    assert counts["origins"] == {"commit": 2, "feature": 2}
    assert [one.prompt for one in examples[:2]] == ["Add by hand", "multiply floats as floats"]
    assert [one.category.value for one in examples] == ["other", "type", "other", "other"]
    assert [one.author for one in examples] == ["Ada", "Bob", "Ada", "Ada"]
    assert {one.workspace for one in examples} == {"calc"}
    (group,) = counts["groups"]
    dropped = {step["name"]: step["dropped"] for step in group["funnel"]["steps"] if step["dropped"]}
    assert dropped == {"no parent": 1, "a version, or files that no build reads": 1, "green before, red after": 1}

    # what was dropped is named, once each
    left = [json.loads(line) for line in (tmp_path / "c.dropped.jsonl").read_text().splitlines()]
    assert Counter(one["rule"] for one in left) == dropped
    named = {one["rule"]: one["what"] for one in left}
    ids = project("log", "--format=%H") if project.vcs == "git" else project("log", "-T", "{node}\n")
    assert named["no parent"] == ids.split()[-1]
    assert named["green before, red after"] == ids.split()[2]

    # again: the same bytes, the counts too
    beside = [tmp_path / f"c.{end}" for end in ("funnel.json", "funnel.svg", "dropped.jsonl")]
    kept = [(file, file.read_bytes()) for file in (out, *beside)]
    assert "4 verified examples" in done(greenloop(*words, cwd=project.root))
    assert [(file, file.read_bytes()) for file, _ in kept] == kept

    done(greenloop("dataset", "build", out, "--out", tmp_path / "set", "--test", "0.5", "--valid", "0"))
    card = json.loads(done(greenloop("dataset", "card", tmp_path / "set", "--json")))
    assert card["origins"] == {"commit": 2, "feature": 2}
    assert card["authors"] == {"Ada": 3, "Bob": 1}
    assert card["own_left_out"] == 0


def test_a_range_and_the_newest(greenloop: Greenloop, project: Repository, tmp_path: Path) -> None:
    def mined(*words: str) -> dict[str, object]:
        said = done(greenloop("mine", "--commits", *words, "--out", tmp_path / "c.jsonl", "--json", cwd=project.root))
        return {name: json.loads(said)[name] for name in ("commits", "origins")}

    assert mined("--max-commits", "2") == {"commits": 2, "origins": {"commit": 1, "feature": 2}}
    first = "HEAD~4" if project.vcs == "git" else "1"
    second = "HEAD~1" if project.vcs == "git" else "4"
    assert mined("--rev", f"{first}..{second}") == {"commits": 3, "origins": {"commit": 1}}
    assert mined("--rev", first) == {"commits": 2, "origins": {"commit": 1}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--commits", "--synthetic"), "two ways"),
        (("--commits", "--workspace", "w"), "--workspace"),
        (("--commits", "--count", "3"), "--count"),
        (("--max-commits", "3"), "--max-commits"),
        (("--rev", "HEAD"), "--rev"),
        (("--commits", "--rev", "nowhere..HEAD"), "no revision 'nowhere'"),
    ],
)
def test_what_does_not_go_together_is_said(
    greenloop: Greenloop, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    repo = Repository("git", tmp_path / "calc")
    repo.commit("Begin", {"a.ml": "let a = 1\n"})
    refused = greenloop("mine", *words, "--out", tmp_path / "c.jsonl", cwd=repo.root)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "c.jsonl").exists()


def test_no_repository_and_no_commit_are_said(greenloop: Greenloop, tmp_path: Path) -> None:
    refused = greenloop("mine", "--commits", cwd=tmp_path)
    assert "no git or Mercurial repository" in refused.stderr
    repo = Repository("git", tmp_path / "empty")
    refused = greenloop("mine", "--commits", cwd=repo.root)
    assert "no commit yet" in refused.stderr
    assert refused.returncode == 2


def test_a_folder_whose_name_is_no_text(greenloop: Greenloop, tmp_path: Path) -> None:
    repo = Repository("git", tmp_path / os.fsdecode(b"odd \xff"))
    repo.commit("The first of it", {"a.ml": "let twice x = 2 * x\n"})
    repo.commit("Change how twice counts", {"a.ml": "let twice x = 3 * x\n"})
    out = tmp_path / "x.jsonl"
    done = greenloop("mine", "--commits", "--out", out, cwd=repo.root)
    assert done.returncode == 0, done.stderr
    assert Example.from_json(out.read_text().rstrip("\n")).workspace == "odd \\xff"
    done = greenloop("dataset", "build", out, "--by", "time", "--name", os.fsdecode(b"odd \xff"))
    assert done.returncode == 2
    assert "is no name of a dataset" in done.stderr
