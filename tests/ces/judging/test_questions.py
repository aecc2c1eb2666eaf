"""Equal questions have equal ids, and nothing that matters is left out of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.ces.questions import ask
from greenloop.records import Edit, EvaluationRequest, HiddenFile, Suite, WriteFile
from greenloop.workspace.edits import apply, edit_between, render_unified

if TYPE_CHECKING:
    from tests.ces.judging.conftest import Bench

Name = Callable[..., str]


@pytest.fixture
def name(bench: "Bench") -> Name:
    """Return a function that names a request, changed as its arguments say."""

    def named(
        request: EvaluationRequest, *, protected: tuple[str, ...] = DEFAULT_GLOBS, sandboxed: bool = True, **more: Any
    ) -> str:
        asked = EvaluationRequest.model_validate(request.model_dump() | more)
        warm = bench.pool.find(asked.revision).tree if asked.revision else asked.base_tree or ""
        return ask(bench.store, asked, warm=warm, fingerprint="f" * 64, sandboxed=sandboxed, protected=protected).id

    return named


TEXTS = st.text(st.sampled_from("ab \n"), max_size=12).map(lambda text: text + "\n")
NAMES = st.lists(st.sampled_from(["adds", "ties", "a b", "é"]), max_size=3)
REQUESTS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    edit=TEXTS.map(lambda text: Edit(files=(WriteFile(path="a.ml", content=text),))),
    suite=st.sampled_from(Suite),
    allowed=NAMES,
    expected_tests=st.one_of(st.none(), NAMES),
    refuse=NAMES,
    repeats=st.integers(1, 3),
    hidden=st.lists(
        st.builds(HiddenFile, path=st.sampled_from("xyz"), content=TEXTS, executable=st.booleans()),
        max_size=2,
        unique_by=lambda file: file.path,
    ),
)
# the fixtures hold a store that only grows: no example sees what another one did
COMMON = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@COMMON
@given(first=REQUESTS, second=REQUESTS)
def test_ids_are_equal_exactly_when_the_questions_are(
    bench: "Bench", name: Name, first: dict[str, Any], second: dict[str, Any]
) -> None:
    def meaning(parts: dict[str, Any]) -> object:
        expected = parts["expected_tests"]
        return (
            parts["edit"], parts["suite"], parts["repeats"], set(parts["allowed"]), set(parts["refuse"]),
            None if expected is None else sorted(expected),
            sorted((file.path, file.content, file.executable) for file in parts["hidden"]),
        )  # fmt: skip

    one, two = bench.request(**first), bench.request(**second)
    assert (name(one) == name(two)) == (meaning(first) == meaning(second))
    # what is no part of the question
    assert name(one) == name(one, idempotency_key="k") == name(one, fresh=True)


@COMMON
@given(parts=REQUESTS)
def test_each_thing_that_matters_is_in_the_id(bench: "Bench", name: Name, parts: dict[str, Any]) -> None:
    request = bench.request(**parts)
    other = bench.store.update(bench.base, {"test/t.txt": None})
    changed: list[dict[str, Any]] = [
        {"edit": {"files": [{"kind": "write", "path": "b.ml", "content": "another\n"}]}},
        {"base_tree": other},
        {"suite": next(suite for suite in Suite if suite is not request.suite)},
        {"allowed": [*request.allowed, "more/**"]},
        {
            "hidden": [*request.model_dump()["hidden"], {"path": "more", "content": ""}],
            "expected_hidden": ["more"],
        },
        {"hidden": [*request.model_dump()["hidden"], {"path": "more", "content": ""}]},
        {"expected_tests": [*(request.expected_tests or ()), "more"]},
        {"refuse": [*request.refuse, "more"]},
        {"repeats": request.repeats + 1},
        {"protected": ()},
        {"sandboxed": False},
    ]
    ids = [name(request), *(name(request, **more) for more in changed)]
    assert len(set(ids)) == len(ids)


@COMMON
@given(text=TEXTS)
def test_two_spellings_of_one_edit_are_one_question(bench: "Bench", name: Name, text: str) -> None:
    whole = Edit(files=(WriteFile(path="a.ml", content=text),))
    tree = apply(bench.store, bench.base, whole).tree
    if tree == bench.base:
        return
    spelled = [
        bench.request(edit=edit_between(bench.store, bench.base, tree)),
        bench.request(diff=render_unified(bench.store, bench.base, tree)),
        bench.request(edit=whole, revision="shop@main"),
    ]
    assert {name(one) for one in spelled} == {name(bench.request(edit=whole))}


def test_how_literally_an_edit_matched_is_part_of_the_question(bench: "Bench", name: Name) -> None:
    def change(search: str) -> EvaluationRequest:
        block = {"search": search, "replace": "let one = 2\n"}
        return bench.request(edit={"files": [{"kind": "replace", "path": "a.ml", "blocks": [block]}]})

    literal, loose = change("let one = 1\n"), change("let one = 1  \n")
    assert bench.ask(edit=literal.edit).result == bench.ask(edit=loose.edit).result
    assert name(literal) != name(loose)


def test_edits_that_do_not_apply_are_told_apart_by_their_text(bench: "Bench", name: Name) -> None:
    first, second = bench.request(diff="nonsense"), bench.request(diff="other nonsense")
    assert name(first) != name(second)
    assert name(first) == name(bench.request(diff="nonsense"))


def test_limits_count_as_far_as_they_bind(bench: "Bench") -> None:
    request = bench.request(bench.good)
    assert bench.worker.ask(request).id == bench.worker.ask(bench.request(bench.good, limits={})).id
    assert len(bench.worker.ask(request).id) == 64


def test_the_key_is_the_id_of_the_evaluation(bench: "Bench") -> None:
    for more in ({"edit": bench.request(bench.good).edit}, {"diff": "nonsense"}):
        assert bench.worker.ask(bench.request(**more)).id == bench.ask(**more).id
    # no tool is run for it
    asked = len(bench.tools.asked)
    bench.worker.ask(bench.request(bench.words("FAILS adds")))
    assert len(bench.tools.asked) == asked
