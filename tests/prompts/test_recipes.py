"""Recipes: who chooses, in which order, for how much; and a team's own plug-ins."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Place, Question, RecentEdit
from greenloop.prompts.recent import recent_edits
from greenloop.prompts.recipes import DEFAULT, WIDE, Recipe, Step, plugin_named
from greenloop.prompts.render import render
from greenloop.prompts.retrieval.seam import Hit, ScriptedIndex
from greenloop.records import Category, Diagnostic, InputError, Severity, Span, TreeId
from greenloop.workspace.store import TreeStore

TreeOf = Callable[[Mapping[str, str | bytes]], TreeId]

USES = "".join(f"let use{i} = Util.show {i}\n" for i in range(80))
FILES = {
    "lib/util.mli": "(** Shows numbers. *)\nval show : int -> string\n",
    "lib/util.ml": "let show = string_of_int\n",
    "lib/rare.ml": "let seldom = 1\n",
    "bin/main.ml": USES,
    "bin/other.ml": USES.replace("use", "other"),
    "notes.txt": "".join(f"a line about the printer {i}\n" for i in range(120)),
}


@pytest.fixture
def tree(tree_of: TreeOf) -> TreeId:
    return tree_of(FILES)


def only(*steps: Step) -> Recipe:
    return Recipe("test", steps)


def sent(question: Question, context: Context) -> str:
    return render(question, context)[-1].content


def error(path: str, line: int, message: str = "Unbound value other3") -> Diagnostic:
    span = Span(line=line, column=0, end_line=line, end_column=3)
    return Diagnostic(severity=Severity.ERROR, category=Category.UNBOUND, message=message, path=path, span=span)


def test_a_plugin_never_spends_more_than_its_share(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "", focus=("bin/main.ml", "bin/other.ml"))
    for share in (0.1, 0.3, 0.5, 1.0):
        context = gather(store, question, budget=1000, recipe=only(Step("focus", share=share)))
        assert 0.5 * share * 1000 < context.tokens <= share * 1000
    kept = gather(store, question, budget=1000, recipe=only(Step("focus", leave=0.8)))
    assert 100 < kept.tokens <= 200


def test_steps_come_in_the_order_of_the_recipe(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "where is seldom used", focus=("lib/util.mli",))
    first = gather(store, question, budget=600, recipe=only(Step("search", share=0.3), Step("focus")))
    second = gather(store, question, budget=600, recipe=only(Step("focus"), Step("search", share=0.3)))
    assert first.paths == ("lib/rare.ml", "lib/util.mli")
    assert second.paths == ("lib/util.mli", "lib/rare.ml")
    assert [choice.plugin for choice in first.choices] == ["search", "focus"]


@pytest.mark.parametrize(("share", "leave"), [(0.0, 0.0), (1.5, 0.0), (-1.0, 0.0), (1.0, 1.0), (1.0, -0.1)])
def test_a_share_that_makes_no_sense(share: float, leave: float) -> None:
    with pytest.raises(InputError, match="'focus': share"):
        Step("focus", share, leave)


def test_a_plugin_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"no context plug-in is called 'fokus'.*enclosing.*focus"):
        plugin_named("fokus")


OWN = """
from greenloop.prompts.question import Note

class Owners:
    def choose(self, desk):
        desk.draft.add_note(Note("Who owns the code", "team-a: lib/"), "a rule of the team")

def broken():
    return object()
"""


def test_a_team_adds_a_plugin_as_an_entry_point(
    store: TreeStore, tree: TreeId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "team_context.py").write_text(OWN)
    (tmp_path / "team_context-1.0.dist-info").mkdir()
    (tmp_path / "team_context-1.0.dist-info/METADATA").write_text("Name: team-context\nVersion: 1.0\n")
    (tmp_path / "team_context-1.0.dist-info/entry_points.txt").write_text(
        "[greenloop.context]\nowners = team_context:Owners\nbroken = team_context:broken\ngone = team_context:gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    question = Question(tree, "who owns this?")
    context = gather(store, question, budget=300, recipe=only(Step("owners"), Step("search")))
    assert "Who owns the code:\n```\nteam-a: lib/\n```" in sent(question, context)
    assert context.choices[0].plugin == "owners"
    with pytest.raises(InputError, match=r"'broken'.*no method `choose`"):
        plugin_named("broken")
    with pytest.raises(InputError, match=r"'gone'.*cannot be loaded"):
        plugin_named("gone")
    with pytest.raises(InputError, match=r"there are: .*owners"):
        plugin_named("nobody")


def test_without_an_error_the_persons_place_says_where_to_look(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "make it shorter", focus=(), place=Place("bin/main.ml", 40, 42))
    context = gather(store, question, budget=250)
    (first, *_) = [choice for choice in context.choices if choice.path == "bin/main.ml"]
    assert first.first_line <= 40 <= 42 <= first.last_line
    assert context.paths[-1] == "bin/main.ml", "what it is about stands next to the words"
    assert "val show" in sent(question, context), "the interface of what is used there"


def test_the_error_at_the_persons_place_goes_first(store: TreeStore, tree: TreeId) -> None:
    errors = (error("bin/other.ml", 3), error("bin/main.ml", 5), error("bin/main.ml", 41))
    question = Question(tree, "", errors, focus=("bin/main.ml",), place=Place("bin/main.ml", 41, 41))
    assert gather(store, question, budget=400).errors[0].diagnostic == errors[2]
    elsewhere = Question(tree, "", errors, focus=("bin/main.ml",), place=Place("bin/main.ml", 60, 60))
    assert gather(store, elsewhere, budget=400).errors[0].diagnostic == errors[1]


def test_a_place_outside_the_tree_is_refused(store: TreeStore, tree: TreeId) -> None:
    with pytest.raises(InputError, match=r"gone\.ml: not in the tree"):
        gather(store, Question(tree, "", place=Place("gone.ml", 1, 1)), budget=300)


def test_recent_edits_are_shown_newest_first_and_whole(store: TreeStore, tree: TreeId, tree_of: TreeOf) -> None:
    later = tree_of({**FILES, "lib/rare.ml": "let seldom = 2\n"})
    last = tree_of({**FILES, "lib/rare.ml": "let seldom = 2\n", "lib/util.ml": "let show n = string_of_int n\n"})
    recent = recent_edits(store, (tree, later, last))
    assert [edit.path for edit in recent] == ["lib/util.ml", "lib/rare.ml"]
    question = Question(last, "and the same for the others", recent=recent)
    both = sent(question, gather(store, question, budget=600, recipe=only(Step("recent-edits"))))
    assert both.index("+let show n") < both.index("-let seldom = 1")
    tight = gather(store, question, budget=110, recipe=only(Step("recent-edits")))
    assert "+let show n" in sent(question, tight)
    assert "seldom" not in sent(question, tight)
    assert [left.what for left in tight.left_out] == ["the edit of lib/rare.ml"]


def test_recent_edits_pass_by_what_is_no_text(store: TreeStore, tree: TreeId, tree_of: TreeOf) -> None:
    last = tree_of({**FILES, "logo.png": b"\x89\xff\xfe\0", "lib/rare.ml": "let seldom = 3\n"})
    assert recent_edits(store, (tree, last)) == (RecentEdit("lib/rare.ml", recent_edits(store, (tree, last))[0].diff),)


def test_the_map_names_the_most_used_modules_first_with_their_signatures(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "")
    context = gather(store, question, budget=500, recipe=only(Step("map")))
    (note,) = context.notes
    assert note.text.startswith("lib/util.mli: Util, named in 2 places\n  val show : int -> string\n")
    assert "lib/rare.ml: Rare, named in 0 places\n  value seldom\n" in note.text
    short = gather(store, question, budget=60, recipe=only(Step("map")))
    assert short.notes[0].text.startswith("lib/util.mli: Util")
    assert short.tokens <= 60


def test_what_is_shown_whole_is_not_mapped_again(store: TreeStore, tree: TreeId) -> None:
    question = Question(tree, "", focus=("lib/util.mli",))
    context = gather(store, question, budget=900, recipe=only(Step("focus"), Step("map")))
    assert "lib/util.mli" not in context.notes[0].text


def test_retrieval_also_looks_for_what_an_error_says(store: TreeStore, tree: TreeId) -> None:
    index = ScriptedIndex((Hit("lib/rare.ml", 1, 1, 1.0),))
    question = Question(tree, "fix that", (error("bin/main.ml", 4),))
    context = gather(store, question, budget=500, recipe=only(Step("error"), Step("retrieval")), index=index)
    assert "lib/rare.ml" in context.paths
    (asked,) = index.asked
    assert "fix that" in asked
    assert "Unbound value other3" in asked
    assert "use3" in asked, "the line of the error"
    gather(store, question, budget=500, recipe=DEFAULT, index=index)
    assert len(index.asked) == 1, "by default the error says where to look"


def test_a_chunk_without_room_is_shown_around_its_best_line(store: TreeStore, tree_of: TreeOf) -> None:
    lines = [f"nothing here number {i}" for i in range(300)]
    lines[77] = "the flux capacitor is tuned here"
    tree = tree_of({"guide.txt": "".join(f"{line}\n" for line in lines)})
    context = gather(store, Question(tree, "tune the flux capacitor"), budget=90)
    (piece,) = context.pieces
    assert "flux capacitor" in piece.text
    assert not piece.whole


def test_the_wide_recipe_stays_within_its_budget(store: TreeStore, tree: TreeId, tree_of: TreeOf) -> None:
    before = tree_of({**FILES, "lib/rare.ml": "let seldom = 9\n"})
    plugins: set[str] = set()
    for budget in (200, 600, 2000, 6000):
        question = Question(
            tree,
            "print less",
            (error("bin/main.ml", 44), error("bin/other.ml", 2)),
            recent=recent_edits(store, (before, tree)),
        )
        context = gather(store, question, budget=budget, recipe=WIDE)
        assert context.tokens <= budget
        assert context.pieces[-1].path == "bin/main.ml"
        plugins |= {choice.plugin for choice in context.choices}
    assert plugins >= {"error", "enclosing", "recent-edits", "signatures", "map"}
