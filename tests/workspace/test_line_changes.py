"""Changes of whole lines: what they say, some of them chosen, laid on a text that changed."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greenloop.records import EditError, TreeId
from greenloop.workspace.edits.line_changes import LineChange, chosen, line_changes, relaid, text_after, tree_after
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import Entry, Mode, TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\r\n", "\n"]), max_size=12).map("".join)


@pytest.fixture(scope="module")
def change(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], LineChange | None]:
    """Return the change of one file from one text to another; ``None`` when they are equal."""
    store = TreeStore(tmp_path_factory.mktemp("trees"))

    def tree(text: str) -> TreeId:
        return store.write_tree({"a": Entry(Mode.FILE, store.write_blob(text.encode()))})

    return lambda old, new: next(iter(line_changes(store, tree(old), tree(new))), None)


def test_all_of_the_changes_lead_to_the_target(store: TreeStore, write: Write) -> None:
    base = write({"a": "1\n2\n3\n4\n5\n", "gone": "x\n", "same": "s\n"})
    target = write({"a": "1\ntwo\n3\n4\nfive\nsix", "new": "n\n", "same": "s\n"})
    changes = line_changes(store, base, target)
    kinds = [(one.path, one.kind) for one in changes]
    assert kinds == [("a", "change"), ("gone", "delete"), ("new", "create")]
    assert [(hunk.id, hunk.start, hunk.end, hunk.old, hunk.new, hunk.new_start) for hunk in changes[0].hunks] == [
        ("1", 1, 2, "2\n", "two\n", 1),
        ("2", 4, 5, "5\n", "five\nsix", 4),
    ]
    assert tree_after(store, base, changes) == target
    assert tree_after(store, base, chosen(changes, ["2", "4"])) == write(
        {"a": "1\n2\n3\n4\nfive\nsix", "gone": "x\n", "new": "n\n", "same": "s\n"}
    )


def test_a_hunk_that_there_is_not(store: TreeStore, write: Write) -> None:
    changes = line_changes(store, write({"a": "1\n"}), write({"a": "2\n"}))
    for ids in (["7"], []):
        with pytest.raises(EditError) as refused:
            chosen(changes, ids)
        assert refused.value.reason == "no-hunk"


@given(base=LINES, target=LINES, data=st.data())
def test_any_choice_of_hunks_stands_where_it_says(
    change: Callable[[str, str], LineChange | None], base: str, target: str, data: st.DataObject
) -> None:
    made = change(base, target)
    assume(made is not None)
    assert made is not None
    picked = data.draw(st.lists(st.sampled_from([hunk.id for hunk in made.hunks]), min_size=1, unique=True))
    (kept,) = chosen([made], picked)
    text = text_after(kept) or ""
    lines = split_lines(text)
    for hunk in kept.hunks:
        assert "".join(lines[hunk.new_start : hunk.new_start + len(split_lines(hunk.new))]) == hunk.new
    assert (text == target) is (len(picked) == len(made.hunks)) or base == target


@given(base=LINES, target=LINES, above=LINES, below=LINES)
def test_lines_added_far_away_move_a_hunk_and_nothing_else(
    change: Callable[[str, str], LineChange | None], base: str, target: str, above: str, below: str
) -> None:
    made = change(f"one\ntwo\n{base}three\nfour\n", f"one\ntwo\n{target}three\nfour\n")
    assume(made is not None)
    assert made is not None
    now = f"{above}one\ntwo\n{base}three\nfour\n{below}"
    assert text_after(relaid(made, now)) == f"{above}one\ntwo\n{target}three\nfour\n{below}"


@given(base=LINES, target=LINES, now=LINES)
def test_what_is_laid_on_another_text_replaces_just_what_it_was_made_for(
    change: Callable[[str, str], LineChange | None], base: str, target: str, now: str
) -> None:
    made = change(base, target)
    assume(made is not None)
    assert made is not None
    try:
        moved = relaid(made, now)
    except EditError:
        return
    lines = split_lines(now)
    for hunk, original in zip(moved.hunks, made.hunks, strict=True):
        assert "".join(lines[hunk.start : hunk.end]) == original.old
