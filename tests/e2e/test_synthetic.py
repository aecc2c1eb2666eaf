"""Examples from a green dune project, by the commands that people type, with the real build and tests."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

Greenloop = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.e2e

FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "geometry/dune": "(library (name geometry))\n",
    "geometry/geometry.mli": "type shape = Circle of int | Square of int\n"
    "val area : shape -> int\nval scaled : shape -> int -> shape\nval largest : shape list -> int option\n",
    "geometry/geometry.ml": "type shape = Circle of int | Square of int\n"
    "let area = function Circle r -> 3 * r * r | Square s -> s * s\n"
    "let scaled shape factor =\n  match shape with\n  | Circle r -> Circle (r * factor)\n"
    "  | Square s -> Square (s * factor)\n"
    "let rec largest shapes =\n  match shapes with\n  | [] -> None\n  | shape :: rest -> (\n"
    "      let here = area shape in\n      match largest rest with\n"
    "      | Some there when there > here -> Some there\n      | Some _ | None -> Some here)\n",
    "geometry/forgotten.txt": "no code\n",
    "test/dune": "(test (name test_geometry) (libraries geometry alcotest))\n",
    "test/test_geometry.ml": "open Geometry\n"
    'let square () = Alcotest.(check int) "square" 4 (area (Square 2))\n'
    'let doubled () = Alcotest.(check int) "doubled" 48 (area (scaled (Circle 2) 2))\n'
    'let most () = Alcotest.(check (option int)) "most" (Some 12) (largest [ Square 2; Circle 2; Square 3 ])\n'
    'let () = Alcotest.run "geometry"\n'
    '  [ ("area", [ Alcotest.test_case "a square" `Quick square; Alcotest.test_case "doubled" `Quick doubled ]);\n'
    '    ("largest", [ Alcotest.test_case "most" `Quick most ]) ]\n',
}


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shapes"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "green")):
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_a_green_project_becomes_a_dataset(greenloop: Greenloop, project: Path, tmp_path: Path) -> None:
    counts = json.loads(
        done(greenloop("mine", "--synthetic", "--count", "24", "--out", tmp_path / "s.jsonl", "--json", cwd=project))
    )
    examples = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert counts["verified"] == len(examples) == 24
    assert counts["kinds"].keys() <= counts["candidates"].keys()
    assert counts["categories"] == dict(Counter(one["category"] for one in examples))
    assert {"type", "syntax", "unbound", "test"} <= counts["categories"].keys()
    assert {one["origin"] for one in examples} == {"synthetic"}
    assert len({one["target"] for one in examples}) == 1
    # what a test alone can tell was judged by tests, and no test was broken so
    tested = [one for one in examples if one["category"] == "test"]
    assert {one["suite"] for one in tested} == {"test"}
    assert all(one["edit"]["files"][0]["path"].startswith("geometry/") for one in tested)
    # every kind counts what became of its mutants
    steps = json.loads((tmp_path / "s.funnel.json").read_text())["groups"][0]["funnel"]["steps"]
    left = {step["unit"]: step["seen"] - step["dropped"] for step in steps}
    assert sum(left.values()) == 24

    # each mutant that was tried and left out is named
    out = [json.loads(line) for line in (tmp_path / "s.dropped.jsonl").read_text().splitlines()]
    assert len(out) == sum(step["dropped"] for step in steps) == counts["tried"] - 24
    assert all(one["what"].rpartition(":")[2].isdigit() for one in out)

    # again: the same bytes, from stored verdicts
    kept = {path.name: path.read_bytes() for path in tmp_path.glob("s.*")}
    assert kept.keys() == {"s.jsonl", "s.funnel.json", "s.funnel.svg", "s.dropped.jsonl"}
    done(greenloop("mine", "--synthetic", "--count", "24", "--out", tmp_path / "s.jsonl", cwd=project))
    assert {path.name: path.read_bytes() for path in tmp_path.glob("s.*")} == kept

    done(greenloop("dataset", "build", tmp_path / "s.jsonl", "--out", tmp_path / "set"))
    card = json.loads(done(greenloop("dataset", "card", tmp_path / "set", "--json")))
    assert sum(part["examples"] for part in card["parts"].values()) == 24
    assert card["categories"] == counts["categories"]
    assert card["origins"] == {"synthetic": 24}
    assert "no person's work" in (tmp_path / "set/README.md").read_text()


def test_the_mix_follows_real_examples_and_a_revision_can_be_named(
    greenloop: Greenloop, project: Path, tmp_path: Path
) -> None:
    first = ("mine", "--synthetic", "--rev", "HEAD", "--count", "6", "--seed", "3")
    (project / "geometry/geometry.ml").write_text("let half = \n")
    done(greenloop(*first, "--out", tmp_path / "a.jsonl", cwd=project))
    again = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    # the counts beside the examples are those of the tree and the seed, whatever the clock says
    done(greenloop(*first, "--out", tmp_path / "same.jsonl", cwd=project))
    assert (tmp_path / "same.funnel.json").read_bytes() == (tmp_path / "a.funnel.json").read_bytes()
    unbound = tmp_path / "unbound.jsonl"
    unbound.write_text("".join(json.dumps(one) + "\n" for one in again if one["category"] == "unbound"))
    counts = json.loads(
        done(greenloop(*first, "--like", unbound, "--out", tmp_path / "b.jsonl", "--json", cwd=project))
    )
    assert counts["categories"] == counts["mix"] == {"unbound": 6}

    refused = greenloop("mine", "--synthetic", "--out", tmp_path / "c.jsonl", cwd=project)
    assert refused.returncode != 0
    assert "the tree is red" in refused.stderr
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.parametrize(
    "words", [("--count", "5"), ("--seed", "1"), ("--rev", "HEAD"), ("--commits", "--workspace", "w")]
)
def test_words_of_the_other_way_of_mining_are_refused(
    greenloop: Greenloop, project: Path, words: tuple[str, ...]
) -> None:
    refused = greenloop("mine", *words, cwd=project)
    assert refused.returncode != 0
    assert words[-2] in refused.stderr


GREEN = """let rec total prices = match prices with [] -> 0 | price :: rest -> price + total rest
let rec longest words =
  match words with
  | [] -> ""
  | word :: rest ->
      let other = longest rest in
      if String.length word > String.length other then word else other
let shout word = String.uppercase_ascii word ^ "!"
"""


def test_the_last_green_trees_of_a_history(greenloop: Greenloop, tmp_path: Path) -> None:
    bodies = {
        "ann": (GREEN, GREEN + "let broken = 1 +\n"),
        "bob": (GREEN.replace("total", "sum"),),
        "cy": ("let x =\n",),
    }
    events = [
        {
            "term": "t", "student": student, "file": "a.ml", "time": 100.0 * number, "cursor": 0, "event": "eval",
            "region": {"start": 0, "stop": 0}, "body": body, "results": [],
        }
        for student, texts in bodies.items() for number, body in enumerate(texts, 1)
    ]  # fmt: skip
    path = tmp_path / "sessions.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    done(greenloop("import", "ocaml-top", path))
    mine = ("mine", "--synthetic", "--workspace", "ocaml-top", "--count", "12", "--out", tmp_path / "s.jsonl")
    counts = json.loads(done(greenloop(*mine, "--json", cwd=tmp_path)))
    examples = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    by_author = Counter(one["author"] for one in examples)
    assert counts["verified"] == len(examples) == sum(by_author.values())
    assert by_author.keys() == {"ann", "bob"}, "whose file was never green gives none"
    assert by_author["ann"] == 4, "shared out evenly"
    assert {one["workspace"] for one in examples} == {
        f"synthetic: {name}" for name in counts["workspaces"] if "/cy/" not in name
    }
    table = done(greenloop(*mine, cwd=tmp_path))
    assert "not green lately" in table

    # for training alone: nobody is scored on them
    (tmp_path / "real.jsonl").write_text("".join(json.dumps(one) + "\n" for one in examples))
    (tmp_path / "real.funnel.json").write_bytes((tmp_path / "s.funnel.json").read_bytes())
    done(greenloop("mine", *mine[1:-2], "--seed", "7", "--out", tmp_path / "more.jsonl", cwd=tmp_path))
    told = done(
        greenloop(
            "dataset", "build", tmp_path / "real.jsonl", "--also", tmp_path / "more.jsonl", "--out", tmp_path / "set"
        )
    )
    assert "train" in told
    held = {json.loads(line)["author"] for line in (tmp_path / "set" / "test.jsonl").read_text().splitlines()}
    trained = [json.loads(line) for line in (tmp_path / "set" / "train.jsonl").read_text().splitlines()]
    assert len(held) == 1
    assert not held & {one["author"] for one in trained}
    assert len(trained) > by_author[trained[0]["author"]], "more than what was split"

    refused = greenloop(
        "mine", "--synthetic", "--workspace", "ocaml-top/t/cy", "--out", tmp_path / "n.jsonl", cwd=tmp_path
    )
    assert refused.returncode != 0
    assert "none of these workspaces was green lately" in refused.stderr
