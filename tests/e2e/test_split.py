"""``greenloop split`` end to end: under Mercurial, and for requests that GitHub and GitLab exported."""

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mining.commits.histories import Repository
from tests.workspace.checkouts import fingerprint

from greenloop.records import Example, Origin

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

DUNE = {"dune-project": "(lang dune 2.9)\n", "lib/dune": "(library (name calc))\n"}
CALC = "let twice x = 2 * x\n"
ADDED = "".join(f"\nlet f{n} x =\n  twice x + {n}\n" for n in range(45))
REVIEW = "(* CR bob for ada: is twice enough? *)\n"


def split(greenloop: Greenloop, repo: Repository, out: Path, *words: str | Path) -> dict[str, Any]:
    """Split by the command; return what it says. The repository stays as it was."""
    before = fingerprint(repo.root)
    done = greenloop("split", repo.root, *words, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert fingerprint(repo.root) == before
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["exact"], said["green_prefix_share"], said["unsplit"]) == (True, 1.0, "")
    return said


def examples_in(out: Path) -> list[Example]:
    """Return the pieces, which follow each other."""
    found = [Example.from_json(line) for line in out.read_text().splitlines()]
    assert all(one.origin is Origin.FEATURE and one.changed_lines <= 100 for one in found)
    assert all(one.target == other.base for one, other in itertools.pairwise(found))
    return found


def test_a_mercurial_checkout(greenloop: Greenloop, tmp_path: Path) -> None:
    repo = Repository("hg", tmp_path / "calc")
    repo.commit("Begin", {**DUNE, "lib/calc.ml": CALC})
    repo.commit("Grow", {"lib/calc.ml": CALC + ADDED})
    out = tmp_path / "pieces.jsonl"
    said = split(greenloop, repo, out, "--from", "0", "--to", "tip", "--title", "Grow the sums")
    assert said["pieces"] == said["examples"] == len(examples_in(out)) == 2
    assert sum(said["sizes"]) == 135
    # its counts are those of any source of examples, so a dataset can be built
    (group,) = json.loads((tmp_path / "pieces.funnel.json").read_text())["groups"]
    assert [step["unit"] for step in group["funnel"]["steps"]][:2] == ["features", "pieces"]
    refused = greenloop("dataset", "build", out, "--out", tmp_path / "set", "--by", "time")
    assert "one episode" in refused.stderr
    assert (tmp_path / "pieces.funnel.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "pieces.dropped.jsonl").read_bytes() == b""
    both = greenloop("split", repo.root, "--from", "0", "--to", "tip", "--branch", "tip")
    assert "--to or --branch" in both.stderr
    missing = greenloop("split", repo.root, "--from", "0", "--branch", "nowhere")
    assert missing.returncode == 2
    assert "no revision 'nowhere'" in missing.stderr


def test_requests_of_github_and_gitlab_with_reviews(greenloop: Greenloop, tmp_path: Path) -> None:
    repo = Repository("git", tmp_path / "calc")
    left = repo.commit("Begin", {**DUNE, "lib/calc.ml": CALC})
    repo.branch_from(left, "topic")
    head = repo.commit("Grow", {"lib/calc.ml": REVIEW + CALC + ADDED})
    repo("checkout", "-q", "main")
    moved_on = repo.commit("Go on", {"lib/other.ml": "let other = 1\n"})
    comment = {"body": "why?", "user": {"login": "bob"}, "path": "lib/calc.ml", "line": 3, "side": "RIGHT"}
    pull = {"title": "Grow the sums", "body": "", "user": {"login": "ada"}, "created_at": "2026-01-31T12:00:00Z",
            "html_url": "https://example.org/pull/7", "base": {"sha": moved_on}, "head": {"sha": head}}  # fmt: skip
    request = {"title": "Grow the sums", "description": "", "author": {"username": "ada"},
               "created_at": "2026-01-31T12:00:00Z", "web_url": "https://example.org/7",
               "diff_refs": {"base_sha": left, "head_sha": head, "start_sha": left}}  # fmt: skip
    note = {"body": "why?", "author": {"username": "bob"}, "position": {"new_path": "lib/calc.ml", "new_line": 3}}
    file = tmp_path / "request.json"
    lines = []
    for name, held in (
        ("github", {"pull_request": pull, "review_comments": [comment]}),
        ("gitlab", {"merge_request": request, "discussions": [{"notes": [note]}]}),
    ):
        file.write_text(json.dumps(held))
        out = tmp_path / f"{name}.jsonl"
        said = split(greenloop, repo, out, "--feature", file)
        # the comment that was exported, and the one that stands in the source
        assert (said["comments"], said["examples"]) == (2, 2)
        found = examples_in(out)
        assert {(one.author, one.time) for one in found} == {("ada", 1769860800.0)}
        assert not any("CR bob" in one.edit.to_json() for one in found)
        lines.append(out.read_text())
    assert lines[0] == lines[1]

    file.write_text(json.dumps({"pull_request": {**pull, "head": {"sha": "1" * 40}}}))
    refused = greenloop("split", repo.root, "--feature", file)
    assert refused.returncode == 2
    assert f"no revision '{'1' * 40}'" in refused.stderr
