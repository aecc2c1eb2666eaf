"""Whatever changes, the fragments of a change make exactly its target, and any set of them makes a tree."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.builds.scripted import ScriptedJudge
from greenloop.mining.split.edges import edges
from greenloop.mining.split.fragments import Parts
from greenloop.mining.split.split import Splitter
from greenloop.mining.split.units import units
from greenloop.records import Feature, Status, Suite, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

LINES = st.sampled_from(
    [b"let x = 1\n", b"let y = x\n", b"open List\n", b"\n", b"type t = A | B\n", b"(* note\n", b"*)\n", b"a\r\n",
     b"\xff\xfe\n", b"val x : int\n", b"module M = struct\n", b"end\n", b"(name a)\n"]
)  # fmt: skip
TEXTS = st.builds(
    lambda lines, last: b"".join(lines) + last,
    st.lists(LINES, max_size=14),
    st.sampled_from([b"", b"", b"no end", b"\r", b"nul\0"]),
)
# a name that is a file on one side may be a folder on the other
NAMES = st.sampled_from(["a.ml", "a.mli", "lib/a.ml", "lib/dune", "lib", "lib/a.ml/x", "odd name", "d/e", "b.ml"])
TREES = st.dictionaries(NAMES, st.tuples(TEXTS, st.sampled_from(list(Mode))), max_size=6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


def write(store: TreeStore, files: dict[str, tuple[bytes, Mode]]) -> TreeId:
    """Store a tree; a file goes where another name needs a folder."""
    kept = {path: held for path, held in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    return store.write_tree({path: Entry(mode, store.write_blob(text)) for path, (text, mode) in kept.items()})


def text_tree(store: TreeStore, files: dict[str, str]) -> TreeId:
    return write(store, {path: (text.encode(), Mode.FILE) for path, text in files.items()})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES, data=st.data())
def test_all_fragments_are_the_target_and_units_in_order_make_trees(
    store: TreeStore, before: dict[str, tuple[bytes, Mode]], after: dict[str, tuple[bytes, Mode]], data: st.DataObject
) -> None:
    base, target = write(store, before), write(store, after)
    parts = Parts(store, base, target)
    assert parts.tree(range(len(parts.fragments))) == target
    assert parts.tree(()) == base
    held = units(parts, edges(parts), data.draw(st.sampled_from([1, 5, 100])))
    assert sorted(number for unit in held for number in unit.fragments) == list(range(len(parts.fragments)))
    made: list[int] = []
    for place, unit in enumerate(held):
        assert all(other < place for other in unit.needs)
        made += unit.fragments
        tree = parts.tree(made)
    assert not held or tree == target


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES, salt=st.integers(0, 3))
def test_a_split_is_exact_and_green_with_any_judge(
    store: TreeStore, before: dict[str, tuple[bytes, Mode]], after: dict[str, tuple[bytes, Mode]], salt: int
) -> None:
    """A judge without rhyme or reason still yields pieces that it called green, and exactly the target."""
    base, target = write(store, before), write(store, after)

    def script(tree: TreeId, _suite: Suite) -> Status:
        good = tree in {base, target} or int(tree[:4], 16) % 4 > salt
        return Status.GREEN if good else Status.RED

    judge = ScriptedJudge(script)
    split = Splitter(store, judge, Suite.CHECK).split(Feature(base=base, target=target, title="all"))
    assert split.exact
    assert split.green_prefix_share == 1
    for piece in split.pieces:
        assert script(piece.target, Suite.CHECK) is Status.GREEN


def test_the_last_line_without_an_end_is_never_run_into_the_next(store: TreeStore) -> None:
    base = text_tree(store, {"a.ml": "let a = 1"})
    target = text_tree(store, {"a.ml": "let a = 1\n\nlet b = 2\n\nlet c = 3"})
    parts = Parts(store, base, target)
    assert len(parts.fragments) == 1


def test_a_new_file_comes_in_parts(store: TreeStore) -> None:
    text = "open List\n\nlet a = 1\n\n(* of a *)\nlet b = a\n\nlet c = b\n"
    parts = Parts(store, text_tree(store, {}), text_tree(store, {"a.ml": text}))
    assert [one.added.decode() for one in parts.fragments] == [
        "open List\n\nlet a = 1\n\n", "(* of a *)\nlet b = a\n\n", "let c = b\n",
    ]  # fmt: skip
