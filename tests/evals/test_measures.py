"""The three measures: what counts as the same program, as the person's own fix, and as shown."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.builds.behaviour import Programs
from greenloop.builds.behaviour_store import Behaviours, BehaviourStore
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.builds.verdicts import VerdictStore
from greenloop.candidates.sampling import Sampling
from greenloop.candidates.source import ScriptedSource
from greenloop.evals.measures import TWICE, OwnFix, same_tokens
from greenloop.evals.results import ResultsFolder, TaskResult
from greenloop.evals.run import run
from greenloop.evals.scores import EvalReport
from greenloop.models.scripted import ScriptedModel
from greenloop.records import Asking, Category, Origin, Suite, Task, TreeId
from greenloop.workspace.edits import parse_reply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

BASE = "(* sums *)\nlet rec sum l = match l with\n  | [] -> 0\n  | h :: t -> h + sum\n\nlet _ = sum [1; 2; 3]\n"
OWN = BASE.replace("h + sum\n", "h + sum t\n")


def block(new: str, old: str = "  | h :: t -> h + sum\n") -> str:
    return f"a.ml\n<<<<\n{old}====\n{new}>>>>\n"


EXACT = block("  | h :: t -> h   +   sum t\n")
SAME = block("  | h :: t -> sum t + h\n")
OTHER = block("  | h :: t -> h * sum t\n")
STUB = block('  | h :: t -> failwith "TODO"\n')
WRONG = block('  | h :: t -> h + "sum"\n')
COMMENTED = block("  | h :: t -> h + sum t (* fixed *)\n")


@pytest.fixture
def engine(store: TreeStore, tmp_path: Path) -> Engine:
    return Engine(
        store=store,
        verdicts=VerdictStore(tmp_path / "verdicts.db"),
        toolchain=OcamlFile(),
        sandbox=Bubblewrap(),
        scratch=tmp_path / "scratch",
    )


@pytest.fixture
def behaviours(store: TreeStore, tmp_path: Path) -> Behaviours:
    return Behaviours(Programs(store, Bubblewrap(), tmp_path / "scratch"), BehaviourStore(tmp_path / "behaviours.db"))


def scored(
    engine: Engine,
    behaviours: Behaviours | None,
    store: TreeStore,
    out: Path,
    replies: list[str],
    *,
    base: TreeId,
    own: TreeId | None,
    beside: tuple[str, ...] = (),
) -> tuple[EvalReport, TaskResult]:
    """Ask one task: the first reply is the greedy one, the others are sampled."""
    verdict = engine.judge(base, Suite.CHECK)
    task = Task(
        id="t",
        author="ada",
        base=base,
        prompt="fix it",
        diagnostics=verdict.diagnostics,
        category=Category.TYPE,
        suite=Suite.CHECK,
    )
    report = run(
        [task],
        ScriptedModel(lambda request: replies[:1] if request.temperature == 0 else replies[1:]),
        engine,
        store,
        sampling=Sampling(greedy=1, sampled=len(replies) - 1),
        k=max(1, len(replies) - 1),
        asking=Asking(budget_tokens=800),
        out_dir=out,
        own_fixes={} if own is None else {"t": OwnFix(own, 1, Origin.EPISODE)},
        behaviours=behaviours,
        sources=[ScriptedSource([parse_reply(text) for text in beside], label="search")] if beside else [],
    )
    return report, ResultsFolder(out).read()["t"]


def test_each_attempt_is_worth_what_it_is(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    replies = [WRONG, EXACT, SAME, OTHER, STUB, COMMENTED, "no idea"]
    base, own = write({"a.ml": BASE}), write({"a.ml": OWN})
    report, result = scored(engine, behaviours, store, tmp_path / "run", replies, base=base, own=own)
    assert [(one.fixed, one.same, one.exact) for one in result.marks] == [
        (False, False, False),
        (True, True, True),
        (True, True, False),
        (True, False, False),
        (False, False, False),
        (True, True, False),
        (False, False, False),
    ]
    assert result.whole
    assert result.results == 1
    assert {score.name: score.value for score in report.scores} == {
        "fixed@1": 0.0, "fixed@6": 1.0, "fixed@1_sampled": 4 / 6, "fixed_shown": 1.0,
        "same@1": 0.0, "same@6": 1.0, "same@1_sampled": 3 / 6, "same_shown": 1.0,
        "exact@1": 0.0, "exact@6": 1.0, "exact@1_sampled": 1 / 6, "exact_shown": 1.0,
    }  # fmt: skip
    assert (report.whole, report.with_results, report.quarantined) == (1, 1, ())


def test_a_subfix_has_no_same_yet_may_be_exact(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    later = "let later = 1 + true\n"
    base, own = write({"a.ml": BASE + later}), write({"a.ml": OWN + later})
    report, result = scored(engine, behaviours, store, tmp_path / "run", [EXACT, SAME], base=base, own=own)
    assert not result.whole
    assert [(one.fixed, one.same, one.exact) for one in result.marks] == [(True, None, True), (True, None, False)]
    assert (report.score("same_shown").tasks, report.score("exact_shown").tasks) == (0, 1)
    assert report.score("exact@1").value == 1.0


def test_a_fix_that_leaves_a_later_error_is_not_the_same_as_a_whole_one(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    later = "let later = 1 + true\n"
    base, own = write({"a.ml": BASE + later}), write({"a.ml": OWN + "let later = 1 + 2\n"})
    _, result = scored(engine, behaviours, store, tmp_path / "run", [EXACT, SAME], base=base, own=own)
    assert [(one.fixed, one.same) for one in result.marks] == [(True, False), (True, False)]


@pytest.mark.parametrize(
    ("line", "why"),
    [("let now = Sys.time ()\n", "it reads Sys.time"), ("let hash = Hashtbl.hash (ref 0)\n", "")],
)
def test_a_program_that_is_not_the_same_everywhere_is_quarantined(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path, line: str, why: str
) -> None:
    base, own = write({"a.ml": line + BASE}), write({"a.ml": line + OWN})
    report, result = scored(engine, behaviours, store, tmp_path / "run", [EXACT, SAME], base=base, own=own)
    assert result.whole
    assert result.quarantined == why
    assert report.score("same_shown").tasks == (0 if why else 1)
    assert report.quarantined == ((("t", why),) if why else ())
    assert report.score("fixed_shown").tasks == 1


def test_a_program_that_prints_something_else_each_time_is_found_by_running_it_twice(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    # the clock by a name that no rule knows
    clock = 'external clock : unit -> float = "caml_sys_time"\nlet t = clock ()\n'
    base, own = write({"a.ml": clock + BASE}), write({"a.ml": clock + OWN})
    _, result = scored(engine, behaviours, store, tmp_path / "run", [EXACT, SAME], base=base, own=own)
    assert result.quarantined == TWICE


def test_without_the_person_s_fix_only_fixed_is_told(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    report, result = scored(
        engine, behaviours, store, tmp_path / "run", [SAME, EXACT], base=write({"a.ml": BASE}), own=None
    )
    assert [(one.fixed, one.same, one.exact) for one in result.marks] == [(True, None, None)] * 2
    assert report.score("fixed_shown").value == 1.0
    assert report.score("exact_shown").tasks == 0


def test_other_sources_count_for_what_is_shown_and_for_nothing_else(
    engine: Engine, behaviours: Behaviours, store: TreeStore, write: Write, tmp_path: Path
) -> None:
    base, own = write({"a.ml": BASE}), write({"a.ml": OWN})
    report, result = scored(
        engine, behaviours, store, tmp_path / "run", [WRONG, STUB, "?"], base=base, own=own, beside=(EXACT, OTHER)
    )
    values = {score.name: score.value for score in report.scores if score.measure == "same"}
    assert values == {
        "same@1": 0.0, "same@2": 0.0, "same@1_sampled": 0.0, "same_shown": 1.0,
        "same_shown_model": 0.0, "same_shown_without_model": 1.0,
    }  # fmt: skip
    assert result.shown is not None
    assert result.attempts[result.shown].source == "search"
    assert report.rates[0].of == 3
    assert report.costs.reply_tokens > 0


def test_exact_leaves_white_space_aside_and_keeps_comments_and_strings(store: TreeStore, write: Write) -> None:
    def same(one: str, other: str, path: str = "a.ml") -> bool:
        return same_tokens(store, write({path: one}), write({path: other}))

    assert same("let x=f(1)", "let x =\n  f (1)\n")
    assert same("(* a\n   b *) let x = 1", "(* a b *)\nlet x = 1")
    assert not same("let x = 1", "let x = 1 (* one *)")
    assert not same("(* a *) let x = 1", "(* b *) let x = 1")
    assert not same('let x = "a  b"', 'let x = "a b"')
    assert not same("let xy = 1", "let x y = 1")
    assert same("a  b", "a b", "notes.txt")
    assert not same("a b", "ab", "notes.txt")
    assert not same_tokens(store, write({"a.ml": "1"}), write({"b.ml": "1"}))
