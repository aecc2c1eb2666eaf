"""Mined fixes without what the error did not ask for."""

from typing import Any

import pytest
from tests.mining.passes import mine

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.minimise.belonging import belonging
from greenloop.mining.minimise.minimise import Minimised
from greenloop.mining.rules import Rules
from greenloop.mining.split.fragments import Parts
from greenloop.records import Category, Diagnostic, InfrastructureError, Origin, Rung, Severity, Span, Suite
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode

F = "let f x =\n  let y = {} in\n  x + y\n"
G = "let g x =\n  x * {}\n"
H = "let h x = x - {}\n"


def text(*holes: str) -> str:
    return "\n".join(shape.format(hole) for shape, hole in zip((F, G, H), holes, strict=False))


def test_what_the_error_did_not_ask_for_stays_out(lab: Any) -> None:
    red, after = lab.tree(text("bad", "1", "1")), lab.tree(text("2", "2", "2"))
    lab.record(red, after)
    result = lab.mine()
    (example,) = result.examples
    assert example.target == lab.tree(text("2", "1", "1"))
    assert (example.changed_lines, example.origin) == (1, Origin.EPISODE)
    assert "Change f in a.ml (1 line replaced by 1 line)" in example.description
    applied = apply(lab.trees, red, example.edit)
    assert (applied.tree, applied.rung) == (example.target, Rung.EXACT)
    assert result.minimised == Minimised(
        searched=1, examples=1, hunks_before=3, hunks_after=1, lines_before=3, lines_after=1,
        builds=result.minimised.builds,
    )  # fmt: skip
    assert 0 < result.minimised.builds <= 9
    (episode,) = result.episodes
    assert episode.green == after, "the episode is what was lived"
    assert lab.mine() == result


def test_no_builds_allowed_switches_it_off(lab: Any) -> None:
    lab.rules = Rules(minimise_builds=0)
    after = lab.tree(text("2", "2", "2"))
    lab.record(lab.tree(text("bad", "1", "1")), after)
    result = lab.mine()
    assert [one.target for one in result.examples] == [after]
    assert result.minimised == Minimised()


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8])
def test_the_bound_on_builds_holds_and_is_counted(lab: Any, limit: int) -> None:
    lab.rules = Rules(minimise_builds=limit)
    names = [f"{letter}.ml" for letter in "abcdefgh"]
    red = lab.tree(*(["let x = 1\n"] * 7), "let x = bad\n", names=names)
    lab.record(red, lab.tree(*(["let x = 2\n"] * 8), names=names))
    result = lab.mine()
    assert result.minimised.builds <= limit
    assert result.minimised.cut_short == (limit < 6)
    (example,) = result.examples
    assert lab.answer(example.target, Suite.CHECK) == ()
    if limit == 8:
        assert [file.path for file in example.edit.files] == ["h.ml"]


def test_a_definition_comes_whole(lab: Any) -> None:
    """Its second hunk was not needed, and is the person's own."""
    lab.record(
        lab.tree("let f x =\n  bad x +\n  1\n\nlet g x =\n  x\n"),
        lab.tree("let f x =\n  ok x +\n  2\n\nlet g x =\n  x + x\n"),
    )
    lab.record(
        lab.tree("let f x =\n  bad x\n  |> id\n  |> p 1\n\nlet g x =\n  x\n"),
        lab.tree("let f x =\n  ok x\n  |> id\n  |> p 2\n\nlet g x =\n  x + x\n"),
        workspace="v",
    )
    assert {one.target for one in lab.mine().examples} == {
        lab.tree("let f x =\n  ok x +\n  2\n\nlet g x =\n  x\n"),
        lab.tree("let f x =\n  ok x\n  |> id\n  |> p 2\n\nlet g x =\n  x\n"),
    }


def numbers_of(lab: Any, before: dict[str, str], after: dict[str, str], minimal: str) -> set[str]:
    """Return the new lines (old ones, where lines only go) that come with the fragment that brings ``minimal``."""
    trees = [
        lab.trees.write_tree({path: Entry(Mode.FILE, lab.trees.write_blob(one.encode())) for path, one in side.items()})
        for side in (before, after)
    ]
    parts = Parts(lab.trees, *trees)
    (chosen,) = (one.number for one in parts.fragments if minimal in one.added.decode())
    found = belonging(parts, [chosen])
    assert chosen not in found
    return {(parts.fragments[number].added or parts.fragments[number].removed).decode().strip() for number in found}


def test_the_interface_beside_belongs(lab: Any) -> None:
    before = {
        "lib/a.ml": "let f x = bad\n\nlet g = 1\n",
        "lib/a.mli": "val f : int -> int\n\nval g : int\n",
        "lib/b.ml": "let call = A.f 1\n\nlet third = 1\n",
        "c/a.mli": "val f : int\n",
    }
    after = {
        "lib/a.ml": "let f x = helper x\n\nlet g = 2\n",
        "lib/a.mli": "val f : int -> string\n\nval g : float\n",
        "lib/b.ml": "let call = A.f 2\n\nlet third = 3\n",
        "c/a.mli": "val f : string\n",
    }
    # a call of f that merely came along stays out, and so does another module's f
    assert numbers_of(lab, before, after, "helper x") == {"val f : int -> string"}


def test_a_name_that_goes_belongs_where_it_went(lab: Any) -> None:
    before = {"a.ml": "let old x = bad\n\nlet use = old 1\n\nlet far = 1\n"}
    after = {"a.ml": "let young x = x\n\nlet use = young 1\n\nlet far = 2\n"}
    assert numbers_of(lab, before, after, "let young") == {"let use = young 1"}


def test_comments_and_layout_elsewhere_stay_out(lab: Any) -> None:
    lab.record(lab.tree("(* a *)\n" + text("bad", "1")), lab.tree("(* b *)\n" + text("2", "1") + "\n\n(* end *)\n"))
    assert [one.target for one in lab.mine().examples] == [lab.tree("(* a *)\n" + text("2", "1"))]


def test_a_fix_is_not_made_cheap(lab: Any) -> None:
    """Deleting the bad line alone would do, but the person wrote another in its place, further down."""
    red = lab.tree("let a = 1\n\nlet f x = bad x y z\n\nlet b = 2\n")
    after = lab.tree("let a = 1\n\nlet b = 2\n\nlet f x = x + 1\n")
    lab.record(red, after)
    result = lab.mine()
    assert [one.target for one in result.examples] == [after]
    assert result.minimised.refused == 0, "what defines f again belongs to where f went"


def test_a_deletion_alone_is_refused(lab: Any) -> None:
    red = lab.tree("let a = 1\n\nlet f x = bad x y z\n\nlet b = 2\n", "let k = 1\n")
    after = lab.tree("let a = 1\n\nlet b = 2\n", "let k = 3 + 4\n")
    lab.record(red, after)
    result = lab.mine()
    assert [one.target for one in result.examples] == [after]
    assert result.minimised.refused == 1
    assert result.minimised.examples == 0


def test_two_that_become_equal_are_one(lab: Any) -> None:
    red = lab.tree(text("bad", "1", "1"))
    lab.record(red, lab.tree(text("2", "2", "1")))
    lab.record(red, lab.tree(text("2", "1", "2")), workspace="v")
    result = lab.mine()
    assert [(one.target, one.workspace) for one in result.examples] == [(lab.tree(text("2", "1", "1")), "v")]
    assert result.funnel.dropped("duplicate of an earlier example") == 1
    assert result.funnel.kept("candidates") == len(result.examples) == len(result.episodes)


def test_a_step_keeps_what_its_first_error_asked_for(lab: Any) -> None:
    """Two errors: the step mends the first, and types elsewhere meanwhile."""
    red = lab.tree(text("bad1", "1", "bad3"))
    lab.record(red, lab.tree(text("2", "2", "bad3")), lab.tree(text("2", "2", "3")))
    steps = [one for one in lab.mine().examples if one.origin is Origin.SUBFIX]
    assert [(one.base, one.target) for one in steps] == [(red, lab.tree(text("2", "1", "bad3")))]


def test_a_step_is_not_made_a_slip_of_syntax(lab: Any) -> None:
    """The parser speaks before anybody else: a slip further down would hide the first error."""
    red = lab.tree(text("bad1", "1", "1"))
    lab.record(red, lab.tree(text("2", "1", "oops") + "let z = 1\n"), lab.tree(text("2", "1", "1")))

    def answer(tree: str, suite: Suite) -> Any:
        lines = (lab.trees.read(tree, "a.ml") or b"").decode().splitlines()
        slip = next((place for place, line in enumerate(lines, 1) if "oops" in line), 0)
        if not slip:
            return lab.answer(tree, suite)
        span = Span(line=slip, column=0, end_line=slip, end_column=1)
        fields = {"severity": Severity.ERROR, "category": Category.SYNTAX, "message": "Syntax error"}
        return (Diagnostic.model_validate({**fields, "path": "a.ml", "span": span}),)

    result = mine(lab.snapshots, ScriptedJudge(answer), lab.trees)
    assert [one for one in result.examples if one.origin is Origin.SUBFIX] == []


def test_what_needs_one_another_stays_together(lab: Any) -> None:
    """The name that the fix uses comes with it, whatever lies between."""
    helper = "let helper x = x\n\n"

    def answer(tree: str, suite: Suite) -> Any:
        said = lab.answer(tree, suite)
        source = lab.trees.read(tree, "a.ml").decode()
        return said if said or "helper x" not in source or helper in source else lab.answer(red, suite)

    red = lab.tree(text("bad", "1", "1"))
    after = lab.tree(helper + text("helper x", "2", "1"))
    lab.record(red, after)
    result = mine(lab.snapshots, ScriptedJudge(answer), lab.trees)
    assert [one.target for one in result.examples] == [lab.tree(helper + text("helper x", "1", "1"))]


def test_many_fragments_are_tried_in_groups(lab: Any) -> None:
    names = [f"f{number:02}.ml" for number in range(90)]
    old, new = ["let x = 1\n"] * 90, ["let x = 2\n"] * 90
    red = lab.tree(*old[:70], "let x = bad\n", *old[71:], names=names)
    lab.rules = Rules(max_files_per_tick=100)
    lab.record(red, lab.tree(*new, names=names))
    result = lab.mine()
    (example,) = result.examples
    assert [file.path for file in example.edit.files] == ["f70.ml"]
    assert result.minimised.builds <= 20


def test_a_fault_while_minimising_is_raised(lab: Any) -> None:
    known = [lab.tree(text("bad", "1", "1")), lab.tree(text("2", "2", "2"))]
    lab.record(*known)

    def answer(tree: str, suite: Suite) -> Any:
        return lab.answer(tree, suite) if tree in known else InfrastructureError("the sandbox is gone")

    with pytest.raises(InfrastructureError):
        mine(lab.snapshots, ScriptedJudge(answer), lab.trees)


def test_a_path_that_would_be_file_and_folder_is_no_tree(lab: Any) -> None:
    red = lab.tree("let x = bad\n", "let y = 1\n", names=["a.ml", "b"])
    after = lab.tree("let x = 2\n", "let z = 1\n", names=["a.ml", "b/c.ml"])
    lab.record(red, after)
    (example,) = lab.mine().examples
    assert example.target == lab.tree("let x = 2\n", "let y = 1\n", names=["a.ml", "b"])


def test_the_number_of_processes_changes_nothing(lab: Any) -> None:
    for number in range(6):
        holes = [("bad", "1", "1"), (f"{number}", "2", "2")]
        lab.record(*(lab.tree(text(*some)) for some in holes), workspace=f"w{number}")
    results = [mine(lab.snapshots, ScriptedJudge(lab.answer), lab.trees, workers=workers) for workers in (1, 2)]
    assert results[0] == results[1]
    assert results[0].minimised.examples == 6
