"""Honest scores by the commands that people type: sessions in, three measures, a gate, a comparison, a page."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
GREEN = "let half x = x / 2\nlet twice x = x * 2\nlet _ = half 8\n"
RED = GREEN.replace("x / 2", 'x / "2"')
SAME = 'a.ml\n<<<<\nlet half x = x / "2"\n====\nlet half x = x * 1 / 2\n>>>>\n'
OTHER = SAME.replace("x * 1 / 2", "x - 2")
STUDENTS = ("ann", "bob", "cyd", "dee")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    """What four students did: each breaks a definition of their own and mends it."""
    lines = []
    for number, student in enumerate(STUDENTS):
        own = f"let mine_{student} a b = a + b * {number}\n" * 2
        for minute, text in enumerate((GREEN + own, RED + own, GREEN + own)):
            lines.append(
                {
                    "term": "t", "student": student, "file": "a.ml", "time": 60.0 * minute, "cursor": 0,
                    "event": "eval", "region": {"start": 0, "stop": 0}, "results": [], "body": text,
                }
            )  # fmt: skip
    path = tmp_path / "sessions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, replies in (("same", [SAME]), ("other", [OTHER]), ("mixed", [OTHER, SAME])):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"replies": replies}) + "\n")
    return path


def scores(result: subprocess.CompletedProcess[str]) -> dict[str, float]:
    assert result.returncode == 0, result.stdout + result.stderr
    return {one["name"]: one["value"] for one in json.loads(result.stdout)["scores"]}


def test_sessions_are_scored_compared_gated_and_shown(greenloop: Greenloop, sessions: Path, tmp_path: Path) -> None:
    run = ("eval", "run", "--sessions", sessions, "--split", "all", "--json")
    good = greenloop(*run, "--model", "scripted:same.jsonl", "--out", "good")
    assert scores(good) == {
        "fixed@1": 1.0, "fixed_shown": 1.0, "same@1": 1.0, "same_shown": 1.0, "exact@1": 0.0, "exact_shown": 0.0,
    }  # fmt: skip
    report = json.loads(good.stdout)
    assert (report["scored"], report["authors"], report["whole"], report["with_results"]) == (4, 4, 4, 4)
    assert "mining" in good.stderr

    # green, small, honest, and not what the person's program does
    bad = greenloop(*run, "--model", "scripted:other.jsonl", "--out", "bad")
    assert "mining" not in bad.stderr, "what was mined is found again"
    assert scores(bad) == scores(good) | {"same@1": 0.0, "same_shown": 0.0}
    home = tmp_path / "home"
    assert not (home / "snapshots.db").exists(), "what is scored on does not move in with what is learnt from"

    compared = greenloop("eval", "compare", "good", "bad", "--json")
    by_name = {one["name"]: one for one in json.loads(compared.stdout)["differences"]}
    assert by_name["same@1"]["difference"] == -1.0
    assert by_name["same@1"]["p"] == 0.125
    assert by_name["same@1"]["better"] == "", "four tasks show nothing"
    assert "no difference shown" in greenloop("eval", "compare", "good", "bad").stdout

    one = greenloop(*run, "--model", "scripted:same.jsonl", "--author", "ann", "--out", "one")
    assert json.loads(one.stdout)["scored"] == 1
    refused = greenloop("eval", "compare", "good", "one")
    assert refused.returncode == 2
    assert "differ in more than the model" in refused.stderr
    assert greenloop("eval", "compare", "good", "one", "--anyway").returncode == 0

    met = greenloop(*run, "--model", "scripted:same.jsonl", "--out", "good", "--require", "same_shown>=0.9")
    assert met.returncode == 0
    missed = greenloop(
        *run, "--model", "scripted:other.jsonl", "--out", "bad", "--require", "fixed@1>=0.5", "--require", "same@1>0.5"
    )
    assert missed.returncode == 1
    assert missed.stderr.strip().splitlines()[-1] == "greenloop: not met: same@1>0.5: it is 0.0000"

    page = (tmp_path / "bad" / "report.html").read_text()
    for said in ("let half x = x - 2", "The person's own fix", "program--not-the-same", "What the model was shown"):
        assert said in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page


def test_the_parts_are_those_of_a_dataset(greenloop: Greenloop, sessions: Path, tmp_path: Path) -> None:
    assert greenloop("import", "ocaml-top", sessions).returncode == 0
    assert greenloop("mine", "--out", "examples.jsonl").returncode == 0
    assert greenloop("dataset", "build", "examples.jsonl", "--out", "set").returncode == 0
    asked = ("eval", "run", "--model", "scripted:same.jsonl", "--json")
    assert greenloop(*asked, "--dataset", "set", "--out", "one").returncode == 0
    assert greenloop(*asked, "--sessions", sessions, "--out", "two").returncode == 0
    tasks = [
        sorted(json.loads(line)["task"] for line in (tmp_path / name / "results.jsonl").read_text().splitlines())
        for name in ("one", "two")
    ]
    assert tasks[0] == tasks[1]
    assert len(tasks[0]) == 1


def test_samples_beside_the_greedy_reply(greenloop: Greenloop, sessions: Path, tmp_path: Path) -> None:
    run = ("eval", "run", "--sessions", sessions, "--split", "all", "--json", "--n", "2", "--with-search")
    found = scores(greenloop(*run, "--model", "scripted:mixed.jsonl", "--out", "mixed"))
    assert (found["same@1"], found["same@2"], found["same@1_sampled"]) == (0.0, 1.0, 0.5)
    assert found["fixed_shown_model"] == 1.0
    # the search mends it too; without it the compiler has no hint to give
    assert found["fixed_shown_without_model"] == 1.0
    (tmp_path / "greenloop.toml").write_text("version = 1\n[search]\nenabled = false\n")
    found = scores(greenloop(*run, "--model", "scripted:mixed.jsonl", "--out", "without"))
    assert (found["fixed_shown_model"], found["fixed_shown_without_model"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "local"), "--dataset FOLDER or --sessions FILE"),
        (("--sessions", "nowhere.jsonl"), "no such file"),
        (("--sessions", "same.jsonl"), "no event of an OCaml top-level session"),
        (("--sessions", "sessions.jsonl", "--dataset", "set"), "give one of the two"),
        (("--sessions", "sessions.jsonl", "--split", "all", "--author", "eve"), "nobody in it is called 'eve'"),
        (("--sessions", "sessions.jsonl", "--split", "most"), "no part is called 'most'"),
        (("--sessions", "sessions.jsonl", "--require", "fixed>>1"), "is no requirement"),
        (("--sessions", "sessions.jsonl", "--require", "fixed@8>=0.3"), "no score 'fixed@8'"),
    ],
)
def test_bad_input_is_named(greenloop: Greenloop, sessions: Path, words: tuple[str, ...], said: str) -> None:
    model = () if "--model" in words else ("--model", "scripted:same.jsonl")
    result = greenloop("eval", "run", *words, *model)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr


def test_the_benchmark_scores_anew_and_invents_nothing(greenloop: Greenloop, sessions: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, str(ROOT / "benchmarks" / "training.py"), "--sessions", str(sessions), "--part", "all"),
        *("--model", f"scripted:{tmp_path / 'mixed.jsonl'}", "--base-model", f"scripted:{tmp_path / 'other.jsonl'}"),
        *("--samples", "2", "--n", "3", "--home", str(tmp_path / "home"), "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == [
        "heldout_n", "fixed_at_1", "fixed_at_8", "same_shown", "exact_shown", "search_same_shown", "base_fixed_at_1",
        "sft_fixed_at_1", "rl_fixed_at_1", "seconds_per_attempt",
    ]  # fmt: skip
    assert (found["heldout_n"], found["fixed_at_1"], found["base_fixed_at_1"]) == (3, 1.0, 1.0)
    for key in ("fixed_at_8", "sft_fixed_at_1", "rl_fixed_at_1"):
        assert found[key] is None
    for name in ("fixed@8", "sft_fixed_at_1", "rl_fixed_at_1"):
        assert f"{name}: no" in done.stderr
