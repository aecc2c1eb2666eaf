"""What is worth looking at in a long history, told by what builds said, and what a history may suffer from."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mining.conftest import Lab

from greenloop.mining import nominate
from greenloop.mining.funnel import Tally
from greenloop.mining.nominate import MOST_SNAPSHOTS, Window, windows
from greenloop.mining.rules import Rules
from greenloop.mining.states import NAMES
from greenloop.records import InputError, Snapshot, Status, Suite, Workspace
from greenloop.workspace.store import Entry, Mode

ADA = Workspace(id="w", author="ada", title="w", source="test")


def seen(history: str, cuts: dict[int, str] | None = None, times: dict[int, float] | None = None) -> list[Snapshot]:
    """Snapshots 20 s apart: ``g`` was reported green, ``r`` red, ``?`` nothing."""
    said = {"g": Status.GREEN, "r": Status.RED, "?": None}
    return [
        Snapshot(
            workspace="w", seq=seq, time=(times or {}).get(seq, 1000.0 + 20 * seq), tree=f"{seq:040x}",
            cut=(cuts or {}).get(seq, ""), reported=said[letter],
        )
        for seq, letter in enumerate(history)
    ]  # fmt: skip


def nominated(*history: Any) -> tuple[list[tuple[str, str]], int]:
    """Return (what began it, numbers of its snapshots) of each window, and how many snapshots were left out."""
    tally = Tally(((nominate.UNIT, NAMES),))
    found = [(one.cut, _numbers(one)) for one in windows(ADA, seen(*history), Rules(), tally)]
    return found, tally.funnel().dropped(nominate.AMONG_GREENS)


def _numbers(window: Window) -> str:
    return f"{window.snapshots[0].seq}-{window.snapshots[-1].seq}"


@pytest.mark.parametrize(
    ("history", "expected", "left"),
    [
        ("ggrgg", [("after greens", "1-3")], 2),
        ("gggg", [], 4),
        ("rrrr", [("start", "0-3")], 0),
        ("grgrg", [("start", "0-4")], 0),
        ("grggrg", [("start", "0-2"), ("after greens", "3-5")], 0),
        ("gg?gg", [("after greens", "1-3")], 2),
        ("????", [("start", "0-3")], 0),
        ("", [], 0),
        ("ggggr", [("after greens", "3-4")], 3),
    ],
)
def test_only_what_is_around_a_possible_red_is_looked_at(
    history: str, expected: list[tuple[str, str]], left: int
) -> None:
    assert nominated(history) == (expected, left)


def test_no_window_reaches_across_a_cut_and_a_commit_is_none() -> None:
    assert nominated("grrg", {2: "checkout"})[0] == [("start", "0-1"), ("checkout", "2-3")]
    assert nominated("grrg", {2: "commit"})[0] == [("start", "0-3")]
    assert nominated("grrg", {}, {2: 1020.0 + 46 * 60, 3: 1040.0 + 46 * 60})[0] == [("start", "0-1"), ("idle", "2-3")]


def test_a_clock_that_went_back_cuts_nothing_and_lets_nothing_stand() -> None:
    assert nominated("grrg", {}, {2: 5.0, 3: 25.0})[0] == [("start", "0-3")]


def test_a_history_of_reds_alone_is_looked_at_in_parts_and_its_stream_is_not_held() -> None:
    def stream(count: int) -> Iterator[Snapshot]:
        for seq in range(count):
            yield Snapshot(workspace="w", seq=seq, time=20.0 * seq, tree="0" * 40, reported=Status.RED)

    tally = Tally(((nominate.UNIT, NAMES),))
    peaks = []
    for count in (3 * MOST_SNAPSHOTS, 12 * MOST_SNAPSHOTS):
        tracemalloc.start()
        sizes = [(one.cut, len(one.snapshots)) for one in windows(ADA, stream(count), Rules(), tally)]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sum(size for _, size in sizes) == count
        assert {size for _, size in sizes} == {MOST_SNAPSHOTS}
        assert [cut for cut, _ in sizes[1:]] == ["long"] * (len(sizes) - 1)
    assert peaks[1] < 1.2 * peaks[0]


# no comments: a first green ends a window, where a state would go on with the tree that only a comment makes another
TEXTS = ["let x = 1\n", "let x = 2\n", "bad one\n", "bad two\n", "bad one\nbad two\n"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from([1, 25, 3600]), st.booleans()), max_size=14))
def test_reports_that_are_true_change_no_example(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, float, bool]]
) -> None:
    found = []
    for told in (False, True):
        lab = Lab.at(tmp_path_factory.mktemp("lab"))
        for text, step, deliberate in history:
            tree = lab.tree(text)
            reported = (Status.RED if lab.answer(tree, Suite.CHECK) else Status.GREEN) if told else None
            lab.record(tree, step=step, deliberate=deliberate, reported=reported)
        result = lab.mine()
        found.append([(one.base, one.target, one.origin, one.time) for one in result.examples])
        assert result.funnel.seen("snapshots") == len(history)
    assert found[0] == found[1]


@pytest.mark.parametrize("whose", ["first", "middle", "last", "tree"])
def test_what_the_store_lost_is_counted_and_the_rest_goes_on(lab: Any, whose: str) -> None:
    texts = [f"{kind} n{number}\n" for number in range(4) for kind in ("let x = ", "bad")]
    lab.record(*map(lab.tree, texts), lab.tree("let y = 1\n"), workspace="other")
    history = [lab.tree(text) for text in ("let a = 1\n", "bad a\n", "let a = 2\n", "bad b\n", "let a = 3\n")]
    lab.record(*history)
    whole = lab.pairs()
    place = {"first": 0, "middle": 1, "last": 4, "tree": 1}[whose]
    blob = history[place] if whose == "tree" else lab.trees.entry(history[place], "a.ml").blob
    _lose(lab, blob)
    lab.trees.renew()
    result = lab.mine()
    assert result.funnel.dropped("its tree, or a file of it, is lost") == 1
    lost = {(history[1], history[2])} if place == 1 else {(history[3], history[4])} if place == 4 else set()
    assert [pair for pair in whole if pair not in lost] == [(one.base, one.target) for one in result.examples]
    assert len(whole) == len(result.examples) + len(lost)


def _lose(lab: Any, oid: str) -> None:
    loose = Path(lab.trees.path, "objects", oid[:2], oid[2:])
    loose.unlink()


def test_a_tree_of_a_thousand_files_at_once_is_no_step(lab: Any) -> None:
    lab.record(lab.tree("let x = 1\n"), lab.tree("bad x\n"))
    many = {f"f{number}.ml": Entry(Mode.FILE, lab.trees.write_blob(b"let x = 1\n")) for number in range(1000)}
    lab.record(lab.trees.update(lab.tree("let x = 2\n"), many))
    result = lab.mine()
    assert (result.examples, result.cuts) == ((), {"start": 1, "many files": 1})


def test_a_place_in_a_history_is_taken_once(lab: Any) -> None:
    lab.record(lab.tree("let x = 1\n"), lab.tree("bad x\n"), lab.tree("let x = 2\n"))
    again = next(iter(lab.snapshots.snapshots("w")))
    assert lab.snapshots.add([again]) == 0
    with pytest.raises(InputError, match="snapshot 0 is there already and differs"):
        lab.snapshots.add([again.model_copy(update={"tree": lab.tree("let z = 1\n")})])
    assert len(lab.mine().examples) == 1
