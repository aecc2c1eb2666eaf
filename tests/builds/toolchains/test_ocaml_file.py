"""Single OCaml files with the real compiler, many trees to a sandbox."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits, ScriptedSandbox, Unsandboxed
from greenloop.builds.toolchains.ocaml_file import OcamlFile, OcamlFileConfig
from greenloop.records import (
    Category,
    EnvironmentFault,
    InfrastructureError,
    InputError,
    Span,
    Stage,
    Status,
    Suite,
)

if TYPE_CHECKING:
    from tests.builds.conftest import Bench

GREEN = "let x = 1\n"
BODIES = [
    GREEN,
    "",
    "let x = 1 + true\n",
    "let x = in\n",
    "let x = y\n",
    'let s = "open\n',
    "let rec f = function [] -> 0 | _ :: xs -> 1 + f xs\n",
    "let f = function 1 -> 2\n",
    "let x = \xff\n",
    '# 7 "other.ml"\nlet x = 1 + true\n',
    "let rec f x = f\n",
    "module M = struct let x = 1 end\nlet y = M.z\n",
    "open Unix\n",
    'let x = Printf.sprintf "%d" 1.\n',
]


def test_it_agrees_with_the_bare_compiler(bench: "Bench", tmp_path: Path) -> None:
    trees = [bench.tree({"hw1.ml": body.encode("latin-1")}) for body in BODIES]
    verdicts = bench.engine(OcamlFile(OcamlFileConfig(batch=5))).judge_many(trees, Suite.CHECK)
    for body, tree in zip(BODIES, trees, strict=True):
        (tmp_path / "hw1.ml").write_bytes(body.encode("latin-1"))
        for stage in ("parsing", "typing"):
            done = subprocess.run(
                ["ocamlc", "-w", "-a", "-stop-after", stage, "-c", "hw1.ml"],
                cwd=tmp_path,
                capture_output=True,
                check=False,
            )
            passed = verdicts[tree].passed(Stage.PARSE if stage == "parsing" else Stage.TYPES)
            assert passed == (done.returncode == 0), body
            assert passed or not verdicts[tree].green
            assert (
                passed
                or verdicts[tree].errors[0].message.split("\n")[0].encode() in done.stderr
                or b"\xff" in done.stderr
            )


def test_the_error_is_named_with_its_place(bench: "Bench") -> None:
    verdict = bench.engine(OcamlFile()).judge(bench.tree({"src/hw 1.ml": "let é = 1\nlet x = é + true\n"}), Suite.CHECK)
    verdict2 = bench.engine(OcamlFile()).judge(
        bench.tree({"src/hw1.ml": "let a = 1\nlet x =\n  a + true\n"}), Suite.CHECK
    )
    assert verdict.errors[0].path == "src/hw 1.ml"
    (error,) = verdict2.errors
    assert (error.path, error.category) == ("src/hw1.ml", Category.TYPE)
    assert error.span == Span(line=3, column=6, end_line=3, end_column=10)
    assert error.message.startswith("This expression has type bool")


def test_every_file_of_a_tree_has_its_say(bench: "Bench") -> None:
    engine = bench.engine(OcamlFile())
    files = {
        "a.ml": GREEN,
        "b/c.mli": "val x : int\n",
        "b/c.ml": 'let x = "not what the interface says"\n',
        "README": "no",
    }
    assert engine.judge(bench.tree(files), Suite.CHECK).green
    verdict = engine.judge(bench.tree(files | {"a.ml": "let x = y\n", "b/c.mli": "val x :\n"}), Suite.CHECK)
    assert [(error.path, error.category) for error in verdict.errors] == [
        ("a.ml", Category.UNBOUND),
        ("b/c.mli", Category.SYNTAX),
    ]
    assert verdict.stages[-1].stage is Stage.PARSE


def test_one_tree_cannot_spoil_its_neighbours(bench: "Bench") -> None:
    """A crash, a type that explodes, output without end: each is named, and the others get their verdicts."""
    crash = "let x = " + "1+" * 100_000 + "1\n"
    explode = "let p x = fun z -> z x x\nlet y0 = p 1\n" + "".join(f"let y{n} = p y{n - 1}\n" for n in range(1, 45))
    chatty = "let x = " + "!" * 5_000_000 + "y\n"
    trees = [bench.tree({"a.ml": body}) for body in (GREEN, crash, explode, chatty, "let x = 1 + true\n")]
    sandbox = Bubblewrap(limits=Limits(wall_seconds=120))
    verdicts = bench.engine(OcamlFile(OcamlFileConfig(seconds=4)), workers=1, sandbox=sandbox).judge_many(
        trees, Suite.CHECK
    )
    green, crashed, exploded, chattered, red = verdicts.values()
    assert green.green
    assert red.status is Status.RED
    assert crashed.status is Status.REJECTED
    assert "the compiler crashed: exception Stack" in crashed.note
    assert exploded.status is Status.TIMEOUT
    assert "did not finish" in exploded.note
    assert chattered.status is Status.REJECTED
    assert "printed without end" in chattered.note


def test_a_tree_without_ocaml_is_neither_green_nor_red(bench: "Bench") -> None:
    verdict = bench.engine(OcamlFile()).judge(bench.tree({"README": "hello\n"}), Suite.CHECK)
    assert verdict.status is Status.REJECTED
    assert verdict.note == "the tree holds no OCaml file"


def test_only_checks(bench: "Bench") -> None:
    with pytest.raises(InputError, match="cannot judge the suite 'build'"):
        bench.engine(OcamlFile()).judge(bench.tree({"a.ml": GREEN}), Suite.BUILD)


def test_a_machine_that_fails_is_never_red(bench: "Bench") -> None:
    def dead(folder: Path, command: Command) -> Completed:
        return Completed(137, b"", b"Killed", 1.0, timed_out=False, truncated=False)

    def mute(folder: Path, command: Command) -> Completed:
        nonce = command.argv[4]
        text = f"\n{nonce} begin 0/0/a.ml\n\n{nonce} end 0/0/a.ml 2\n"
        return Completed(0, text.encode(), b"", 1.0, timed_out=False, truncated=False)

    for script, says in ((dead, "137"), (mute, "no output")):
        with pytest.raises(InfrastructureError, match=says):
            bench.engine(OcamlFile(), sandbox=ScriptedSandbox(script)).judge(bench.tree({"a.ml": GREEN}), Suite.CHECK)


def test_without_a_sandbox_the_verdict_says_so(bench: "Bench") -> None:
    trusted, tree = bench.engine(OcamlFile(), sandbox=Unsandboxed()), bench.tree({"a.ml": GREEN})
    verdict = trusted.judge(tree, Suite.CHECK)
    assert verdict.green
    assert not verdict.sandboxed
    assert trusted.fingerprint != bench.engine(OcamlFile()).fingerprint


def test_a_missing_compiler_is_named_with_the_way_out(bench: "Bench", tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"ocamlc: not found.*apt-get install .*ocaml-nox"):
        bench.engine(OcamlFile(OcamlFileConfig(path=str(tmp_path))))


def test_the_fingerprint_follows_the_compiler_itself(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ocamlc").write_text(f"#!/bin/sh\n# {name}\n")
        (tmp_path / name / "ocamlc").chmod(0o755)
    first, second = (OcamlFile(OcamlFileConfig(path=str(tmp_path / name))).fingerprint() for name in ("one", "two"))
    assert first != second
    (tmp_path / "one" / "ocamlc").write_text("#!/bin/sh\n# changed\n")
    assert OcamlFile(OcamlFileConfig(path=str(tmp_path / "one"))).fingerprint() != first
