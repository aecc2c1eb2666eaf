"""Which changes are ordered, and which are held together, before any build."""

from pathlib import Path

import pytest

from greenloop.mining.split.edges import edges, moves
from greenloop.mining.split.fragments import Parts
from greenloop.mining.split.units import units
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


def order(store: TreeStore, before: dict[str, str], after: dict[str, str], limit: int = 100) -> list[list[str]]:
    """Return the units as the first changed line of each fragment, with its file."""
    base, target = (
        store.write_tree({path: Entry(Mode.FILE, store.write_blob(text.encode())) for path, text in side.items()})
        for side in (before, after)
    )
    parts = Parts(store, base, target)
    found = []
    for unit in units(parts, edges(parts), limit):
        held = [parts.fragments[number] for number in unit.fragments]
        found.append([f"{one.path}: {(one.added or one.removed).decode().strip().split(chr(10))[0]}" for one in held])
    return found


def test_a_definition_comes_before_its_uses(store: TreeStore) -> None:
    before = {"a.ml": "let first = 1\n\nlet middle = 2\n\nlet last = 3\n"}
    after = {"a.ml": "let first = 1 + helper 2\n\nlet middle = 2\n\nlet helper x = x\n\nlet last = 3\n"}
    assert order(store, before, after) == [["a.ml: let helper x = x"], ["a.ml: let first = 1 + helper 2"]]


def test_a_use_goes_before_its_definition(store: TreeStore) -> None:
    before = {"a.ml": "let gone = 1\n", "z.ml": "let user = A.gone\n"}
    after = {"a.ml": "", "z.ml": "let user = 1\n"}
    assert order(store, before, after) == [["z.ml: let user = 1"], ["a.ml: let gone = 1"]]


def test_a_definition_and_its_signature_are_one(store: TreeStore) -> None:
    before = {"a.ml": "let a = 1\n", "a.mli": "val a : int\n"}
    after = {"a.ml": "let a = 1\n\nlet fresh = 2\n", "a.mli": "val a : int\n\nval fresh : int\n"}
    assert len(order(store, before, after)) == 1


def test_a_rename_takes_its_users_along(store: TreeStore) -> None:
    before = {"a.ml": "let old_name x = x\n", "b.ml": "let b = A.old_name 1\n"}
    after = {"a.ml": "let new_name x = x\n", "b.ml": "let b = A.new_name 1\n"}
    assert order(store, before, after) == [["a.ml: let new_name x = x", "b.ml: let b = A.new_name 1"]]


def test_an_item_that_moves_in_its_file_is_one(store: TreeStore) -> None:
    before = {"a.ml": "let f x = x\n\nlet a = 1\n\nlet b = 2\n\nlet c = 3\n"}
    after = {"a.ml": "let a = 1\n\nlet b = 2\n\nlet c = 3\n\nlet f x = x\n"}
    assert len(order(store, before, after)) == 1


def test_comments_hold_nothing_together(store: TreeStore) -> None:
    before = {"a.ml": "(* one *)\nlet a = 1\n(* two *)\nlet b = 1\n"}
    after = {"a.ml": "(* let b *)\nlet a = 1\n(* let a *)\nlet b = 1\n"}
    assert len(order(store, before, after)) == 2


def test_a_file_that_moved_is_one(store: TreeStore) -> None:
    text = "".join(f"let x{number} = {number}\n\n" for number in range(80))
    found = order(store, {"a.ml": text}, {"lib/a.ml": text.replace("let x9 = 9\n", "let x9 = 10\n")})
    assert len(found) == 1
    base, target = (
        store.write_tree({path: Entry(Mode.FILE, store.write_blob(content.encode()))})
        for path, content in (("a.ml", text), ("lib/a.ml", text.replace("let x9 = 9\n", "let x9 = 10\n")))
    )
    (move,) = moves(Parts(store, base, target).files)
    assert (move.old, move.new, move.lines) == ("a.ml", "lib/a.ml", 1)


def test_a_library_comes_before_who_links_it_and_that_before_who_uses_it(store: TreeStore) -> None:
    before = {"bin/dune": "(executable\n (name main))\n", "bin/main.ml": "let () = ()\n"}
    after = {
        "bin/dune": "(executable\n (name main)\n (libraries calc))\n",
        "bin/main.ml": "let () = ignore Calc.Sums.one\n",
        "calc/dune": "(library\n (name calc))\n",
        "calc/sums.ml": "let one = 1\n",
    }
    flat = [line for unit in order(store, before, after) for line in unit]
    assert flat.index("calc/dune: (library") < flat.index("bin/dune: (name main)")
    assert flat.index("bin/dune: (name main)") < flat.index("bin/main.ml: let () = ignore Calc.Sums.one")


def test_a_knot_beyond_the_limit_is_untied(store: TreeStore) -> None:
    before = {"a.ml": "let f x = x\n\nlet a = 1\n\nlet b = 2\n"}
    after = {"a.ml": "let a = 1\n\nlet b = 2\n\nlet f x = x\n"}
    assert len(order(store, before, after, limit=1)) == 2
