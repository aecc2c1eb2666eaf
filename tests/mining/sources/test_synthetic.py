"""From a green tree to proven examples: a judge from a script, every drop counted, the same seed the same again."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.mining.filters import FLAKY
from greenloop.mining.funnel import Funnel
from greenloop.mining.rules import Rules
from greenloop.mining.sources.synthetic import SyntheticSource
from greenloop.mining.synthetic.code import Mutant
from greenloop.mining.synthetic.make import OVER
from greenloop.mining.synthetic.mix import Mix
from greenloop.mining.synthetic.plan import Plan
from greenloop.mining.synthetic.project import Project
from greenloop.mining.synthetic.prove import GREEN, MASKED, UNCLEAR, UNKNOWABLE, UNREAD
from greenloop.mining.synthetic.registry import MUTATIONS
from greenloop.records import Category, Diagnostic, Example, InputError, Origin, Severity, Span, Status, Suite, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode, TreeStore

Write = Callable[[Mapping[str, str]], TreeId]

FILES = {
    "lib/shapes.ml": "type t = Circle of float | Square of float\n"
    "let area = function\n  | Circle r -> r *. r *. 3.\n  | Square s -> s *. s\n"
    "let rec total shapes =\n  match shapes with\n  | [] -> 0.\n  | first :: rest ->\n    let value = area first in\n"
    "    if value > 0. then value +. total rest else total rest\n",
    "lib/old.ml": "let unused x = x + 1\n",
    "lib/dune": "(library (name shapes) (libraries str unix))\n",
}


def error(category: Category) -> tuple[Diagnostic, ...]:
    span = Span(line=1, column=0, end_line=1, end_column=1)
    return (Diagnostic(severity=Severity.ERROR, category=category, message="Error", path="lib/shapes.ml", span=span),)


@dataclass(frozen=True)
class Result:
    """What a source made: each example with the mutant that it undoes, and the counts."""

    made: tuple[tuple[Example, Mutant], ...]
    funnel: Funnel
    candidates: Mapping[str, int]
    short: tuple[Category, ...]


def make(store: TreeStore, judge: ScriptedJudge, tree: TreeId, plan: Plan) -> Result:
    source = SyntheticSource(store, judge, tree, plan)
    examples = tuple(source.examples())
    assert source.mutants.keys() == {one.id for one in examples}
    made = tuple((one, source.mutants[one.id]) for one in examples)
    return Result(made, source.funnel(), source.candidates, source.short)


class Bench:
    """A judge that calls every tree but the green one a type error; ``lib/old.ml`` is in no build."""

    def __init__(self, store: TreeStore, tree: TreeId) -> None:
        self.store, self.tree = store, tree
        self.judge = ScriptedJudge(self.answer)

    def answer(self, tree: TreeId, suite: Suite) -> Answer:
        changed = {change.path for change in self.store.changes(self.tree, tree)} - {"lib/old.ml"}
        if not changed:
            return Status.GREEN
        return error(Category.DEPENDENCY if changed == {"lib/dune"} else Category.TYPE)

    def make(self, count: int = 12, *, seed: int = 0, mix: Mix | None = None) -> Result:
        plan = Plan(count, seed, mix or Mix({Category.TYPE: 1}), Suite.TEST, "w", "", Rules())
        return make(self.store, self.judge, self.tree, plan)


@pytest.fixture
def bench(store: TreeStore, write: Write) -> Bench:
    return Bench(store, write(FILES))


def test_every_example_leads_from_a_red_tree_back_to_the_green_one(bench: Bench) -> None:
    result = bench.make()
    assert len(result.made) == 12
    for example, _ in result.made:
        assert example.target == bench.tree
        assert example.base != bench.tree
        assert apply(bench.store, example.base, example.edit).tree == bench.tree
        assert (example.origin, example.time) == (Origin.SYNTHETIC, 0.0)
        assert example.author == "synthetic: lib/shapes.ml"
        assert example.prompt
        assert example.description.startswith("Fix a type error in lib/shapes.ml")
    assert len({one.id for one, _ in result.made}) == 12


def test_the_same_seed_gives_the_same_examples(bench: Bench) -> None:
    first, again, other = bench.make(seed=3), bench.make(seed=3), bench.make(seed=4)
    assert first == again
    assert {one.id for one, _ in first.made} != {one.id for one, _ in other.made}


def test_the_tree_must_be_green_three_times(bench: Bench) -> None:
    bench.make(1)
    for suite in (Suite.CHECK, Suite.TEST):
        assert bench.judge.asked.count((bench.tree, suite)) >= 3


def test_a_red_tree_and_one_that_is_green_only_at_times_are_refused(bench: Bench) -> None:
    plan = Plan(1, 0, Mix.usual(), Suite.CHECK, "w", "", Rules())
    red = ScriptedJudge({bench.tree: error(Category.TYPE)})
    with pytest.raises(InputError, match="is red"):
        make(bench.store, red, bench.tree, plan)
    answers = cycle([Status.GREEN, Status.GREEN, Status.RED])
    with pytest.raises(InputError, match="not always green"):
        make(bench.store, ScriptedJudge(lambda tree, suite: next(answers)), bench.tree, plan)


def test_a_mutant_that_is_red_only_at_times_is_no_example(bench: Bench) -> None:
    """One whose text has ``Some`` is red every other time, the first one included."""
    asked: Counter[TreeId] = Counter()

    def answer(tree: TreeId, suite: Suite) -> Answer:
        asked[tree] += 1
        flaky = "some" in (bench.store.read(tree, "lib/shapes.ml") or b"").decode().lower()
        return Status.GREEN if flaky and asked[tree] % 2 == 0 else bench.answer(tree, suite)

    bench.judge = ScriptedJudge(answer)
    result = bench.make(1000)
    assert result.made
    assert result.funnel.dropped(FLAKY) > 0
    assert not any(
        "some" in (bench.store.read(one.base, "lib/shapes.ml") or b"").decode().lower() for one, _ in result.made
    )
    assert all(asked[one.base] >= 3 for one, _ in result.made)


def test_a_tree_with_nothing_to_break_is_refused(store: TreeStore, write: Write) -> None:
    with pytest.raises(InputError, match="nothing to break"):
        Bench(store, write({"readme.txt": "hello\n"})).make()


def test_what_nobody_here_wrote_is_not_broken(store: TreeStore, write: Write) -> None:
    source = FILES["lib/shapes.ml"]
    tree = write({"vendor/list/a.ml": source, "lib/p.ml": source, "lib/p.mly": "%%\n"})
    with pytest.raises(InputError, match="nothing to break"):
        Bench(store, tree).make()


def test_what_stays_out_is_counted_by_kind_and_rule(bench: Bench, store: TreeStore) -> None:
    def answer(tree: TreeId, suite: Suite) -> Answer:
        text = (store.read(tree, "lib/shapes.ml") or b"").decode()
        if "some" in text.lower():
            return Status.TIMEOUT
        return Status.GREEN if "3.\n" in text and not text.endswith(")\n") else bench.answer(tree, suite)

    bench.judge = ScriptedJudge(answer)
    result = bench.make(1000)
    assert result.short == (Category.TYPE,)
    funnel = result.funnel
    for name in (GREEN, UNCLEAR, UNREAD):
        assert funnel.dropped(name) > 0, name
    seen = sum(
        step.seen
        for number, step in enumerate(funnel.steps)
        if number == 0 or funnel.steps[number - 1].unit != step.unit
    )
    assert seen == len(result.made) + sum(step.dropped for step in funnel.steps)
    kinds = Counter(mutant.kind for _, mutant in result.made)
    assert {kind: funnel.kept(f"mutants: {kind}") for kind in kinds} == dict(kinds)


def test_what_cannot_be_known_is_asked_for_only_where_a_test_pins_it(store: TreeStore, write: Write) -> None:
    tree = write({"lib/a.ml": "let last size = size - 17\n"})

    def answer(asked: TreeId, suite: Suite) -> Answer:
        return Status.GREEN if asked == tree else error(Category.TYPE)

    judge = ScriptedJudge(answer)
    plan = Plan(5, 0, Mix({Category.TEST: 1}), Suite.TEST, "w", "", Rules())
    # red before any test has run: nobody could say that 18 was 17
    result = make(store, judge, tree, plan)
    assert result.made == ()
    assert result.funnel.dropped(UNKNOWABLE) == 1


def test_a_warning_before_the_error_is_no_task(bench: Bench) -> None:
    both = (*error(Category.WARNING), *error(Category.TYPE))
    bench.judge = ScriptedJudge(lambda tree, suite: Status.GREEN if tree == bench.tree else both)
    result = bench.make(4, mix=Mix({Category.WARNING: 1, Category.TYPE: 1}))
    assert result.made == ()
    assert result.funnel.dropped(MASKED) > 0


def test_the_mix_is_kept_and_what_is_over_is_counted(bench: Bench) -> None:
    mix = Mix({Category.TYPE: 3, Category.SYNTAX: 1})
    result = bench.make(8, mix=mix)
    # the judge calls all of them type errors: there is no syntax error to be had
    assert Counter(one.category for one, _ in result.made) == {Category.TYPE: 8}
    assert result.short == (Category.SYNTAX,)
    assert result.funnel.dropped(OVER) > 0


NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta"])
EXPRESSIONS = st.recursive(
    st.one_of(NAMES, st.integers(0, 99).map(str), st.just("Some 1"), st.just("2.5")),
    lambda inner: st.one_of(
        st.tuples(NAMES, inner, inner).map(lambda one: f"({one[0]} ({one[1]}) ({one[2]}))"),
        st.tuples(inner, inner).map(lambda one: f"({one[0]} + {one[1]})"),
        st.tuples(inner, inner, inner).map(lambda one: f"(if {one[0]} < {one[1]} then {one[2]} else {one[0]})"),
        st.tuples(NAMES, inner, inner).map(lambda one: f"(let {one[0]} = {one[1]} in\n   {one[2]})"),
        st.tuples(inner, inner).map("(match {0[0]} with Some delta -> {0[1]} | None -> [{0[0]}; {0[1]}])".format),
    ),
    max_leaves=8,
)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=3), st.integers(0, 5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutant_that_is_mended_is_the_base_by_its_id(store: TreeStore, bodies: list[str], seed: int) -> None:
    source = "".join(f"let rec value{number} = {body}\n" for number, body in enumerate(bodies)).encode()
    tree = store.write_tree({"a.ml": Entry(Mode.FILE, store.write_blob(source))})
    bench = Bench(store, tree)
    bench.judge = ScriptedJudge(lambda asked, suite: Status.GREEN if asked == tree else error(Category.TYPE))
    found = [one for mutation in MUTATIONS for one in mutation.find(Project.read(store, tree, seed=seed))]
    assert all(one.broken(source) != source for one in found)
    if found:
        for one, mutant in bench.make(20, seed=seed, mix=Mix.usual()).made:
            assert apply(store, one.base, one.edit).tree == tree
            assert store.read(one.base, "a.ml") == mutant.broken(source)
