"""Explaining: exactly what was sent, who chose it and why, and what found no room."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.prompts.explain import explain, joined
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question, RecentEdit
from greenloop.prompts.recipes import DEFAULT, WIDE, Recipe
from greenloop.prompts.render import render
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Category, Diagnostic, Severity, Span, TreeId
from greenloop.workspace.store import TreeStore

TreeOf = Callable[[Mapping[str, str | bytes]], TreeId]

LONG = "".join(f"let f{i} x =\n  let y = x + {i} in\n  y * 2\n\n" for i in range(60))


@pytest.fixture
def tree(tree_of: TreeOf) -> TreeId:
    return tree_of({"a.ml": LONG, "a.mli": "val f1 : int -> int\n", "b.ml": LONG.replace("f", "g"), "é.txt": "ü\n"})


def error(line: int, message: str) -> Diagnostic:
    span = Span(line=line, column=2, end_line=line, end_column=5)
    return Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message=message, path="a.ml", span=span)


@pytest.mark.parametrize("recipe", [DEFAULT, WIDE])
@pytest.mark.parametrize("budget", [150, 500, 3000])
@pytest.mark.parametrize("kind", ["error", "words", "nothing", "half a character"])
def test_the_parts_are_exactly_what_is_sent(
    store: TreeStore, tree: TreeId, recipe: Recipe, budget: int, kind: str
) -> None:
    recent = (RecentEdit("b.ml", "--- a/b.ml\n+++ b/b.ml\n@@ -1 +1 @@\n-x\n+y\n"),)
    question = {
        "error": Question(tree, "fix it", (error(90, "Unbound value f7"), error(3, "and\n\nanother")), recent=recent),
        "words": Question(tree, " make f12 faster ", focus=("a.mli",), recent=recent),
        "nothing": Question(tree, ""),
        "half a character": Question(tree, "f3 \udc80 please"),
    }[kind]
    context = gather(store, question, budget=budget, recipe=recipe)
    explained = explain(question, context)
    for message in render(question, context):
        assert joined(explained, message.role) == message.content
    for part in explained.parts:
        assert part.plugin
        assert part.why
        assert part.tokens == estimate_tokens(part.text)
    plugins = {step.plugin for step in recipe.steps} | {"instructions", "person"}
    assert {name for part in explained.parts for name in part.plugin.split(" + ")} <= plugins


def test_each_part_names_who_chose_it_and_why(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "fix it", (error(90, "Unbound value f7"),))
    parts = explain(question, gather(store, question, budget=400)).parts
    whys = {part.plugin: part.why for part in parts}
    assert whys["error"] == "the error that the question is about"
    assert any("enclosing" in plugin and "definition around the error" in why for plugin, why in whys.items())
    assert any("named" in plugin and "defines f7" in why for plugin, why in whys.items())


def test_the_costs_add_up_to_the_context(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "fix it", (error(90, "Unbound value f7"),))
    for recipe in (DEFAULT, WIDE):
        context = gather(store, question, budget=700, recipe=recipe)
        assert sum(choice.tokens for choice in context.choices) == context.tokens


def test_what_found_no_room_is_told(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "look at both", focus=("a.mli", "b.ml"))
    tight = explain(question, gather(store, question, budget=120))
    assert any(left.startswith("b.ml, lines 1 to") and "focus" in left for left in tight.left_out)
    assert explain(question, gather(store, question, budget=9000)).left_out == ()
