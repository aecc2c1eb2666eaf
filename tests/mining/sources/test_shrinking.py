"""Errors that a build shows together, and that were mended in another order than it shows them."""

from pathlib import Path
from typing import Any

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.mining.sources.episodes import EpisodeSource
from greenloop.records import Category, Origin, Status, Suite
from greenloop.workspace.edits import apply

FIRST = "let f x = bad1 x\n"
LATER = "let g x = bad2 x\n"
MENDED = "let g x = x + 2\n"


def test_a_later_error_that_was_mended_first_is_asked_about(lab: Any) -> None:
    red, less, green = lab.tree(FIRST, LATER), lab.tree(FIRST, MENDED), lab.tree("let f x = x\n", MENDED)
    lab.record(lab.tree("let f x = 1\n", "let g x = 1\n"), red, less, green)
    found = {one.origin: one for one in lab.mine().examples}
    assert found.keys() == {Origin.EPISODE, Origin.SHRINKING}
    step = found[Origin.SHRINKING]
    assert (step.base, step.target, step.category) == (red, less, Category.UNBOUND)
    # the error that is still there is no part of it
    assert [one.message for one in step.diagnostics] == ["Unbound value bad2"]
    assert "bad1" not in step.prompt + step.description
    assert "bad2" in step.description
    assert apply(lab.trees, red, step.edit).tree == less
    whole = found[Origin.EPISODE]
    assert (whole.base, whole.target) == (less, green)


def test_what_a_step_leads_to_need_not_stand(lab: Any) -> None:
    red, less = lab.tree(FIRST, LATER), lab.tree(FIRST, MENDED)
    lab.record(red, less)
    lab.record(lab.tree("let f x = x\n", MENDED), step=5)
    result = lab.mine()
    assert [(one.base, one.target) for one in result.examples if one.origin is Origin.SHRINKING] == [(red, less)]
    # but what it begins with must: half-typed code errs by itself
    lab.record(red, workspace="fleeting")
    lab.record(less, lab.tree("let f x = x\n", MENDED), workspace="fleeting", step=5)
    assert "fleeting" not in {one.workspace for one in lab.mine().examples}


def test_only_neighbours_shrink_and_nothing_new_may_come(lab: Any) -> None:
    other = lab.tree(FIRST, "let g x = bad3 x\n")
    lab.record(lab.tree(FIRST, LATER), other, other, lab.tree("let f x = bad4 x\n", MENDED))
    assert Origin.SHRINKING not in {one.origin for one in lab.mine().examples}


@pytest.mark.parametrize(
    ("later", "rule"),
    [
        ((FIRST, "let g x = A.f x\n"), "a step that may hide its error"),
        ((FIRST, "let g x = Elsewhere.f x\n"), "a step that may hide its error"),
        ((FIRST, MENDED, "let h = 2\n"), "a step in several places"),
        ((FIRST, "let g x = x\n" + "let k = 1\n" * 6), "a step of over 5 changed lines"),
        ((FIRST, ""), "a step that drops a top-level name"),
        ((FIRST, "let g x = \n"), "a step that only takes away"),
        ((FIRST, 'let g x = failwith "todo"\n'), "a fix by a stub or by deleting"),
    ],
)
def test_the_guards_of_all_steps_hold(lab: Any, later: tuple[str, ...], rule: str) -> None:
    lab.record(lab.tree(FIRST, LATER, "let h = 1\n"), lab.tree(*later, *["let h = 1\n"][len(later) - 2 :]))
    lab.record(lab.tree("let f x = 1\n"), step=30)
    result = lab.mine()
    assert Origin.SHRINKING not in {one.origin for one in result.examples}
    assert result.funnel.dropped(rule) >= 1


def test_a_module_of_the_standard_library_hides_nothing_unless_the_project_has_its_own(lab: Any) -> None:
    later, mended = "let g x = bad2 x\n", "let g x = String.length x\n"
    for workspace, other in (("plain", "c.ml"), ("own", "string.ml")):
        names = ["a.ml", "b.ml", other]
        texts = [(FIRST, later), (FIRST, mended)]
        lab.record(*(lab.tree(*text, "let h = 1\n", names=names) for text in texts), workspace=workspace)
        lab.record(lab.tree("let f x = 1\n"), workspace=workspace)
    shrinking = [one.workspace for one in lab.mine().examples if one.origin is Origin.SHRINKING]
    assert shrinking == ["plain"]


def test_the_real_build_of_two_modules(lab: Any, tmp_path: Path) -> None:
    names = ["dune-project", "a.ml", "b.ml", "dune"]
    fixed = ["(lang dune 2.9)\n", "(library (name two))\n"]

    def tree(first: str, second: str) -> str:
        return str(lab.tree(fixed[0], f"let f x = {first}\n", f"let g x = {second}\n", fixed[1], names=names))

    red, less, green = (
        tree('x + "1"', "String.lengthh x"),
        tree('x + "1"', "String.length x"),
        tree("x + 1", "String.length x"),
    )
    # b.ml begins to need a.ml, which is broken: its own error is not mended, only out of sight
    hidden = tree('x + "1"', "A.f (String.lengthh x)")
    lab.record(red, less, green, deliberate=True)
    lab.record(red, hidden, workspace="v", deliberate=True)
    engine = Engine(
        store=lab.trees,
        verdicts=VerdictStore(tmp_path / "verdicts.sqlite"),
        toolchain=Dune(),
        sandbox=Bubblewrap(limits=Limits(wall_seconds=120)),
        scratch=tmp_path / "scratch",
    )
    source = EpisodeSource(lab.snapshots, engine, lab.trees, Suite.CHECK)
    found = {one.origin: one for one in source.examples()}
    assert len(engine.judge(red, Suite.CHECK).errors) == 2
    assert (found[Origin.SHRINKING].base, found[Origin.SHRINKING].target) == (red, less)
    assert [one.path for one in found[Origin.SHRINKING].diagnostics] == ["b.ml"]
    assert (found[Origin.EPISODE].base, found[Origin.EPISODE].target) == (less, green)
    assert engine.judge(hidden, Suite.CHECK).status is Status.RED
    assert len(engine.judge(hidden, Suite.CHECK).errors) == 1
    assert source.funnel().dropped("a step that may hide its error") == 1
