"""Where an edit lands: protected files come back, allowed ones may change, and mistrust has its reasons."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.builds.landing import land, mistrust, put_back
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.records import DeleteFile, Edit, EditError, Rung, TreeId, WriteFile
from greenloop.workspace.edits import apply, parse_reply
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

FILES = {
    "a.ml": "let one = 1\n\nlet two = one + 1\n",
    "dune": "(library (name a))\n",
    "test/dune": "(test (name t))\n",
    "test/t.ml": "let () = assert (A.two = 2)\n",
    "test/out.expected": "2\n",
}


@pytest.fixture
def base(write: Write) -> TreeId:
    return write(FILES)


def files(*some: WriteFile | DeleteFile) -> Edit:
    return Edit(files=some)


def test_an_honest_edit_lands_where_it_leads(store: TreeStore, base: TreeId) -> None:
    edit = parse_reply("a.ml\n<<<<\nlet one = 1\n====\nlet one = 3 - 2\n>>>>\n")
    landed = land(store, base, edit, protected=DEFAULT_GLOBS)
    assert landed.result == landed.applied == apply(store, base, edit).tree
    assert (landed.restored, landed.rung, landed.flags) == ((), Rung.EXACT, ())
    assert put_back(store, base, landed.applied, protected=DEFAULT_GLOBS) == (landed.result, ())
    assert mistrust(store, base, landed.result, ["dune"]) == ("tamper",)


def test_what_is_protected_comes_back_and_is_told(store: TreeStore, base: TreeId) -> None:
    edit = files(
        WriteFile(path="a.ml", content="let one = 1\n\nlet two = 1 + one\n"),
        WriteFile(path="test/t.ml", content="let () = ()\n"),
        DeleteFile(path="test/dune"),
        WriteFile(path="dune", content="(library (name a) (flags -w -a))\n"),
        WriteFile(path="more/dune", content="(dirs)\n"),
    )
    landed = land(store, base, edit, protected=DEFAULT_GLOBS)
    assert landed.restored == ("dune", "more/dune", "test/dune", "test/t.ml")
    assert landed.flags == ("tamper",)
    assert {change.path for change in store.changes(base, landed.result)} == {"a.ml"}
    assert landed.applied != landed.result


@pytest.mark.parametrize("allowed", [("test/t.ml",), ("test/*.ml",), ("**/t.ml", "nothing/**")])
def test_what_the_task_allows_may_change(store: TreeStore, base: TreeId, allowed: tuple[str, ...]) -> None:
    edit = files(WriteFile(path="test/t.ml", content="let () = ()\n"), DeleteFile(path="test/dune"))
    landed = land(store, base, edit, protected=DEFAULT_GLOBS, allowed=allowed)
    assert landed.restored == ("test/dune",)
    assert {change.path for change in store.changes(base, landed.result)} == {"test/t.ml"}


def test_mistrust_is_about_what_is_left(store: TreeStore, base: TreeId) -> None:
    stub = files(WriteFile(path="a.ml", content='let one = failwith "later"\n'))
    assert land(store, base, stub, protected=()).flags[-1] == "name-removed"
    assert "stub" in land(store, base, stub, protected=()).flags
    # a stub in a test is not there any more
    tampered = files(WriteFile(path="test/t.ml", content='let () = failwith "later"\n'))
    landed = land(store, base, tampered, protected=DEFAULT_GLOBS)
    assert landed.result == base
    assert landed.flags == ("tamper", "unchanged")


def test_an_edit_that_does_not_apply_lands_nowhere(store: TreeStore, base: TreeId) -> None:
    edit = parse_reply("a.ml\n<<<<\nlet absent = 1\n====\nlet one = 2\n>>>>\n")
    with pytest.raises(EditError):
        land(store, base, edit, protected=DEFAULT_GLOBS)
