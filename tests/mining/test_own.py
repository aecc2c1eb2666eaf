"""What a person accepted from Greenloop is no example, also where they typed on before the recorder looked."""

from typing import Any

from greenloop.mining.own import Accepted
from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

RED = "let total xs = List.fold_left bad 0 xs\n"
GREEN = "let total xs = List.fold_left ( + ) 0 xs\n"
OWN = "written by Greenloop"


def lived(lab: Any, workspace: str, red: str, after: str) -> tuple[int, int]:
    """Record red → after; return how many examples there are now, and how many Greenloop wrote."""
    lab.record(lab.tree(red), lab.tree(after), workspace=workspace)
    result = lab.mine()
    return len(result.examples), result.funnel.dropped(OWN)


def test_who_typed_on_before_the_recorder_looked(lab: Any) -> None:
    lab.accepted = Accepted.read(lab.trees, [(lab.tree(RED), lab.tree(GREEN))])
    assert lived(lab, "typed on", RED, GREEN + "let mean xs = total xs / List.length xs\n") == (0, 1)
    # in another place of the same file, and other blanks
    assert lived(lab, "moved", "let k = 1\n" + RED, "let k = 1\nlet k2 = 2\n  " + GREEN) == (0, 2)
    # a repair of the same error by other words is a person's own
    assert lived(lab, "own", RED, "let total xs = List.fold_left (fun a x -> a + x) 0 xs\n") == (1, 2)


def test_a_part_of_what_a_suggestion_brought_is_anybodys(lab: Any) -> None:
    both = GREEN + "let mean xs = total xs / List.length xs\n"
    lab.accepted = Accepted.read(lab.trees, [(lab.tree(RED), lab.tree(both))])
    assert lived(lab, "half", RED, GREEN) == (1, 0)
    assert lived(lab, "all", RED, both + "let more = 1\n") == (1, 1)


def test_lines_that_stand_in_everybodys_code_say_nothing(lab: Any) -> None:
    lab.accepted = Accepted.read(lab.trees, [(lab.tree("let x = bad\n"), lab.tree("let x = 1\n"))])
    assert lab.accepted.brought == ()
    assert lived(lab, "short", "let x = bad2\n", "let x = 1\nlet y = x + 2\n") == (1, 0)


def test_where_the_trees_of_a_suggestion_are_gone_its_result_is_known_by_its_id(lab: Any, store: TreeStore) -> None:
    result: TreeId = lab.tree(GREEN)
    lab.accepted = Accepted.read(store, [("0" * 40, result)])
    assert lab.accepted == Accepted(trees=frozenset({result}))
    assert lived(lab, "w", RED, GREEN) == (0, 1)
