"""A real dune project in the real sandbox: an unsaved interface breaks it, hunks of a fix are taken one by one."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import BuildState, Status
from greenloop.aid.protocol.turns import (
    Buffer,
    Outcome,
    Stage,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    TurnProgress,
    TurnRef,
)
from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.candidates.examine import Rules
from greenloop.candidates.hints import HintSource
from greenloop.records import Badge
from greenloop.records.funnel import Step
from greenloop.workspace.store import TreeStore

from .conftest import GENEROUS, World, block, wait_for

FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name shop))\n",
    "lib/price.mli": "val total : int list -> int\n",
    "lib/price.ml": "let total prices = List.fold_left ( + ) 0 prices\n",
    "lib/bill.ml": 'let show prices = "total: " ^ string_of_int (Price.total prices)\n',
    "lib/mean.ml": "let mean prices = Price.total prices / List.length prices\n",
}
NEW_INTERFACE = "val total : int list -> float\n"
EDIT = "\n".join(
    (
        block(
            "lib/price.ml",
            (FILES["lib/price.ml"].rstrip(), "let total prices = float_of_int (List.fold_left ( + ) 0 prices)"),
        ),
        block("lib/bill.ml", (FILES["lib/bill.ml"].rstrip(), FILES["lib/bill.ml"].rstrip().replace("_int", "_float"))),
        block(
            "lib/mean.ml",
            (
                FILES["lib/mean.ml"].rstrip(),
                "let mean prices = Price.total prices /. float_of_int (List.length prices)",
            ),
        ),
    )
)
HALF = EDIT.split("\nlib/bill.ml")[0]


@pytest.fixture
def files(request: pytest.FixtureRequest) -> Mapping[str, str]:
    return FILES | getattr(request, "param", {})


@pytest.fixture
def judging(tmp_path: Path) -> Iterator[Callable[[TreeStore], Engine]]:
    made: list[Engine] = []

    def make(store: TreeStore) -> Engine:
        engine = Engine(
            store=store,
            verdicts=VerdictStore(tmp_path / "verdicts.db"),
            toolchain=Dune(),
            sandbox=Bubblewrap(),
            scratch=tmp_path / "scratch",
        )
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.close()


def status(world: World, state: BuildState) -> Status:
    def look() -> Status | None:
        told = [params for _, params in list(world.peers[0].told) if isinstance(params, Status)]
        return told[-1] if told and told[-1].state is state else None

    return wait_for(look, str(state))


def test_an_unsaved_interface_breaks_it_and_a_verified_edit_of_several_files_mends_it(world: World) -> None:
    world.equipment.rules = Rules(max_changed_lines=20)
    world.open()
    status(world, BuildState.GREEN)
    # at first the model mends one file, and is told what the build says of that
    model = world.script([HALF, EDIT], budget_tokens=4000)
    buffers = {"lib/price.mli": NEW_INTERFACE}
    ended, turn = world.turn(buffers=buffers)

    assert (ended.outcome, ended.fault) == (Outcome.DONE, None)
    assert "The implementation lib/price.ml" in model.requests[0].messages[-1].content
    told = model.requests[1].messages[-1].content
    assert "With this edit the build says" in told
    assert "^^^" in told
    best = world.suggestions(turn)[ended.order[0]]
    assert (best.badge, best.label, best.repaired, best.flags) == (Badge.TYPE_CHECKS, "type-checks", 1, ())
    assert [file.path for file in best.files] == ["lib/bill.ml", "lib/mean.ml", "lib/price.ml"]
    world.ask(catalogue.SUGGESTION_SHOWN, SuggestionShown(turn=turn, suggestion=best.id))

    # one file alone does not type-check, and says so; the person takes it all the same, and refuses another
    ids = {file.path: file.hunks[0].id for file in best.files}
    given = world.ask(
        catalogue.SUGGESTION_ACCEPT,
        SuggestionAccept(turn=turn, suggestion=best.id, hunks=(ids["lib/price.ml"],)),
    )
    (file,) = given.files
    assert (file.path, given.badge, given.rebased) == ("lib/price.ml", Badge.ERRORS, False)
    world.ask(catalogue.SUGGESTION_REFUSE, SuggestionRefuse(turn=turn, suggestion=best.id, hunks=(ids["lib/mean.ml"],)))
    # the editor writes what it was handed, and saves all
    (world.root / "lib/price.mli").write_text(NEW_INTERFACE)
    (world.root / "lib/price.ml").write_text(file.text or "")
    world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=given.acceptance, applied=True))
    # the two files were written one after the other, so at first the interface alone may be seen
    left = {"lib/bill.ml", "lib/mean.ml"}
    wait_for(lambda: {problem.path for problem in status(world, BuildState.RED).problems} <= left, "the new status")

    rest = world.ask(
        catalogue.SUGGESTION_ACCEPT,
        SuggestionAccept(
            turn=turn,
            suggestion=best.id,
            hunks=(ids["lib/bill.ml"], ids["lib/mean.ml"]),
            buffers=(Buffer(path="lib/bill.ml", text=FILES["lib/bill.ml"]),),
        ),
    )
    assert (rest.badge, rest.rebased) == (Badge.TYPE_CHECKS, True)
    for one in rest.files:
        (world.root / one.path).write_text(one.text or "")
    status(world, BuildState.GREEN)
    steps = {event.step for event in world.funnel.events() if event.turn == turn}
    assert steps >= {Step.REQUESTED, Step.PARSED, Step.APPLIED, Step.VERIFIED, Step.SHOWN, Step.REFUSED}
    assert len(world.log.accepted()) == 2


def test_the_compilers_own_hint_is_a_suggestion_without_a_model(world: World) -> None:
    (world.root / "lib/mean.ml").write_text("let mean prices = Price.totl prices / List.length prices\n")
    world.open()
    world.equipment.made = replace(world.equipment.made, model=None, sources=(HintSource(),))
    ended, turn = world.turn()
    best = world.suggestions(turn)[ended.order[0]]
    assert (best.fixed, best.source) == (True, "compiler-hint")
    assert "Price.total prices /" in best.files[0].hunks[0].new


@pytest.mark.parametrize(
    "files",
    [{"lib/dune": "(library (name shop))\n(rule (targets slow.ml) (action (run sleep 600)))\n"}],
    indirect=True,
)
def test_cancelling_ends_a_build_that_runs(world: World) -> None:
    world.open()
    started = world.start()

    def checking() -> bool:
        return any(isinstance(one, TurnProgress) and one.stage is Stage.CHECKING for one in world.news(started.turn))

    wait_for(checking, "the check")
    time.sleep(1.0)
    began = time.monotonic()
    world.ask(catalogue.TURN_CANCEL, TurnRef(turn=started.turn))
    assert world.ended(started.turn).outcome is Outcome.CANCELLED
    assert time.monotonic() - began < GENEROUS
    wait_for(lambda: not world.service.busy(), "the end of the build")
