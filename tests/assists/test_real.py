"""Fixing a red file with the real compiler in the real sandbox: a scripted model, everything else real."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.assists.ask import ask
from greenloop.assists.fix import fix
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.candidates.attempt import Outcome
from greenloop.candidates.examine import Rules
from greenloop.candidates.hints import HintSource
from greenloop.candidates.sampling import ModelSource, Sampling
from greenloop.models.scripted import ScriptedModel
from greenloop.records import Asking, Badge, Category, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

SOURCE = """\
let rec sum = function
  | [] -> 0
  | head :: tail -> head + sum tail

let average numbers =
  let total = sum numbers in
  total /. float_of_int (List.length numbers)

let () = Printf.printf "%.1f\\n" (average [1; 2])
"""
TEST = 'let () = assert (String.length "ab" = 2)\n'


def block(path: str, old: str, new: str) -> str:
    return f"{path}\n<<<<\n{old}\n====\n{new}\n>>>>\n"


BAD = "  total /. float_of_int (List.length numbers)"
FIX = block("stats.ml", BAD, "  float_of_int total /. float_of_int (List.length numbers)")
STUB = block("stats.ml", BAD, '  failwith "TODO"')
DELETION = block(
    "stats.ml",
    f'let average numbers =\n  let total = sum numbers in\n{BAD}\n\nlet () = Printf.printf "%.1f\\n" (average [1; 2])',
    "",
)
NO_OP = block("stats.ml", BAD, BAD)
WRONG = block("stats.ml", BAD, "  total +. float_of_int (List.length numbers)")
NONSENSE = "Sure! The problem is that OCaml has strict types."
ON_TEST = "test/test_stats.ml\n```ocaml\nlet () = ()\n```\n"
NEW_TEST = FIX + "\ntest/test_more.ml\n```ocaml\nlet () = exit 0\n```\n"
OUTSIDE = "../../etc/profile.ml\n```\nlet x = 1\n```\n"
INTO_GIT = ".git/hooks/post-commit\n```\nrm -rf .\n```\n"
MISSES = block("stats.ml", "  totl /. 2.", "  1.")


@pytest.fixture
def judge(store: TreeStore, tmp_path: Path) -> Engine:
    return Engine(
        store=store,
        verdicts=VerdictStore(tmp_path / "verdicts.db"),
        toolchain=OcamlFile(),
        sandbox=Bubblewrap(),
        scratch=tmp_path / "scratch",
    )


@pytest.fixture
def red(write: Write) -> TreeId:
    return write({"stats.ml": SOURCE, "test/test_stats.ml": TEST})


def source(*replies: str) -> ModelSource:
    return ModelSource(
        ScriptedModel(replies, name="m"), Sampling(greedy=1, sampled=len(replies) - 1), Asking(budget_tokens=1200)
    )


def test_each_kind_of_reply_lands_where_it_should(store: TreeStore, judge: Engine, red: TreeId) -> None:
    replies = [STUB, DELETION, NO_OP, WRONG, NONSENSE, ON_TEST, OUTSIDE, INTO_GIT, MISSES, NEW_TEST, FIX, ""]
    turn = fix(store, judge, red, sources=[source(*replies)], rules=Rules(max_changed_lines=10))

    assert turn.before.errors[0].category is Category.TYPE
    assert turn.fixed
    best = turn.best
    assert best is not None
    assert (best.badge, best.fixed, best.flags, best.model) == (Badge.TYPE_CHECKS, True, (), "m")
    assert best.verdict.green
    assert best.verdict.sandboxed
    assert apply(store, red, best.edit).tree == best.result
    assert b"float_of_int total" in (store.read(best.result, "stats.ml") or b"")

    ends = [(attempt.outcome, attempt.reason, attempt.fixed) for attempt in turn.attempts]
    assert ends == [
        (Outcome.JUDGED, "stub", False),
        (Outcome.JUDGED, "name-removed", False),
        (Outcome.UNCHANGED, "unchanged", False),
        (Outcome.JUDGED, "error-left", False),
        (Outcome.UNREADABLE, "no-edit", False),
        (Outcome.UNREADABLE, "not-shown", False),
        (Outcome.UNREADABLE, "outside-tree", False),
        (Outcome.UNREADABLE, "vcs-path", False),
        (Outcome.REFUSED, "no-match", False),
        (Outcome.JUDGED, "", True),
        (Outcome.JUDGED, "", True),
        (Outcome.UNREADABLE, "empty", False),
    ]
    stub, deletion, wrong, tampered = (turn.attempts[number] for number in (0, 1, 3, 9))
    # all of these type-check, and none of them passes for a fix
    assert stub.verdict is not None
    assert stub.verdict.green
    assert "stub" in stub.flags
    assert deletion.verdict is not None
    assert deletion.verdict.green
    assert {"deletion", "name-removed"} <= set(deletion.flags)
    assert wrong.verdict is not None
    assert not wrong.verdict.green
    # the new test never came in, and what is left of the edit is the plain fix
    assert tampered.restored == ("test/test_more.ml",)
    assert tampered.flags == ("tamper",)
    assert tampered.result == best.result
    assert all(store.read(one.result, "test/test_stats.ml") == TEST.encode() for one in turn.suggestions)


def test_a_file_that_the_model_saw_and_may_not_change_is_put_back(store: TreeStore, judge: Engine, red: TreeId) -> None:
    turn = ask(
        store, judge, red, "empty the test", sources=[source(ON_TEST)], rules=Rules(), focus=("test/test_stats.ml",)
    )
    (attempt,) = turn.attempts
    assert (attempt.outcome, attempt.restored) == (Outcome.PROTECTED, ("test/test_stats.ml",))
    assert turn.suggestions == ()
    allowed = ask(
        store, judge, red, "empty the test",
        sources=[source(ON_TEST)], rules=Rules(protected=()), focus=("test/test_stats.ml",),
    )  # fmt: skip
    assert allowed.best is not None
    assert store.read(allowed.best.result, "test/test_stats.ml") == b"let () = ()\n"


def test_the_compilers_hint_repairs_without_a_model(store: TreeStore, judge: Engine, write: Write) -> None:
    red = write({"a.ml": "let rec length = function [] -> 0 | _ :: t -> 1 + lenght t\n"})
    turn = fix(store, judge, red, sources=[HintSource(), source(NONSENSE)], rules=Rules())
    assert turn.fixed
    assert turn.best is not None
    assert turn.best.model == "compiler-hint"
    assert turn.best.badge is Badge.TYPE_CHECKS
    assert turn.summary() == "1 of 2 candidates fixed it (1 judged)."


def test_a_green_tree_is_told_so_by_the_real_compiler(store: TreeStore, judge: Engine, write: Write) -> None:
    model = ScriptedModel([FIX])
    sources = [ModelSource(model, Sampling(sampled=0), Asking(budget_tokens=1200))]
    turn = fix(store, judge, write({"a.ml": "let x = 1\n"}), sources=sources, rules=Rules())
    assert turn.before.green
    assert model.requests == []
