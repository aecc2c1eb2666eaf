"""``greenloop mine --explain`` and ``--why-dropped``: what cannot be answered is one clear error with the way out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.cli.main import app
from greenloop.records import InputError

Mine = Callable[..., None]
BODIES = ("let x = y", "let x = 1", "let x = z", "let x = 2")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mine:
    """Return a function that runs ``greenloop`` in this process, with one student's two files recorded."""
    monkeypatch.chdir(tmp_path)
    # with one worker nothing is started beside it
    (tmp_path / "greenloop.toml").write_text("version = 1\n[build]\nworkers = 1\n")

    def greenloop(*words: str) -> None:
        app(["--home", str(tmp_path / "home"), *words], standalone_mode=False)

    event = {"term": "t", "student": "ann", "cursor": 0, "event": "eval", "region": {"start": 0, "stop": 0}}
    lines = [
        json.dumps({**event, "file": file, "time": 60.0 * place, "results": [], "body": body})
        for file in ("a.ml", "b.ml")
        for place, body in enumerate(BODIES)
    ]
    (tmp_path / "s.jsonl").write_text("".join(f"{line}\n" for line in lines))
    greenloop("import", "ocaml-top", "s.jsonl")
    return greenloop


@pytest.mark.parametrize(
    ("named", "said", "way_out"),
    [
        ("ocaml-top#1", "names 2 workspaces: ocaml-top/t/ann/a.ml, ocaml-top/t/ann/b.ml", "name one"),
        ("ocaml-top/t/ann/a.ml", "names no snapshot", "WORKSPACE#NUMBER"),
        ("ocaml-top/t/ann/a.ml#-1", "names no snapshot", "WORKSPACE#NUMBER"),
        (f"ocaml-top/t/ann/a.ml#{'9' * 5000}", "names no snapshot", "WORKSPACE#NUMBER"),
        ("#3", "names no snapshot", "WORKSPACE#NUMBER"),
        ("nobody#3", "no workspace is called 'nobody'", "record log"),
        ("ocaml-top/t/ann/a.ml#9", "ocaml-top/t/ann/a.ml has no snapshot 9", "it has 0 to 3"),
    ],
)
def test_a_snapshot_that_is_not_there(run: Mine, named: str, said: str, way_out: str) -> None:
    with pytest.raises(InputError) as caught:
        run("mine", "--why-dropped", named)
    assert said in caught.value.message
    assert way_out in caught.value.way_out


def test_files_that_hold_no_examples(run: Mine, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"id": "abc"}\n')
    (tmp_path / "cut.jsonl").write_text('{"id": "abc"')
    (tmp_path / "empty.jsonl").write_text("")
    for file, said in (
        ("none.jsonl", "none.jsonl: there is no such file"),
        (".", ".: there is no such file"),
        ("broken.jsonl", "broken.jsonl, line 1"),
        ("cut.jsonl", "cut.jsonl: cut short"),
        ("empty.jsonl", "no example's id begins with 'abc'"),
    ):
        with pytest.raises(InputError) as caught:
            run("mine", "--explain", "abc", "--out", file)
        assert said in caught.value.message
        assert caught.value.way_out


@pytest.mark.parametrize("more", [("--synthetic",), ("--workspace", "ocaml-top"), ("--why-dropped", "ocaml-top#1")])
def test_one_thing_is_asked_at_a_time(run: Mine, more: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="ask one thing each"):
        run("mine", "--explain", "abc", *more)


def test_an_answer_and_a_prefix_that_says_too_little(
    run: Mine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("mine")
    ids = [json.loads(line)["id"] for line in (tmp_path / "examples.jsonl").read_text().splitlines()]
    assert len(ids) == 4
    with pytest.raises(InputError, match="4 examples begin with ''") as caught:
        run("mine", "--explain", "")
    assert caught.value.way_out == "write more of the id"
    capsys.readouterr()
    run("mine", "--explain", ids[0], "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["example"]["id"], told["note"], told["left_out"]) == (ids[0], "", "")
    assert told["judged"] == {"base": ["red"] * 3, "target": ["green"] * 3}
    assert [state["counts"] for state in told["states"]] == ["a build was asked for", ""]
    run("mine", "--why-dropped", "ocaml-top/t/ann/a.ml#0", "--json")
    why = json.loads(capsys.readouterr().out)
    assert [one["example"] for one in why["candidates"]] == [ids[0]]

    # a home that knows the trees but not the history: what the example holds is told all the same
    examples = (tmp_path / "examples.jsonl").read_text()
    (tmp_path / "examples.jsonl").write_text(examples.replace("ocaml-top/t/ann/a.ml", "elsewhere"))
    run("mine", "--explain", ids[0])
    shown = capsys.readouterr().out
    assert "no history of elsewhere is recorded here; it is of elsewhere#" in shown
    assert "+let x = 1" in shown
    assert "green, judged 3 times, alike" in shown
