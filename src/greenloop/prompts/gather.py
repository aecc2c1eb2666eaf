"""Choosing what a model is shown, within a budget of tokens: a recipe's plug-ins, one after the other.

With the default recipe and an error, in this order while the budget lasts:

1. the first error (in a file of ``focus``, if any is), as the compiler prints it;
2. its whole file when that is small; else the definition that holds the error, or a window around the error;
3. the definitions that the error names: in its message, in the code it marks, on its line; in the same file first,
   then as ``M.x`` in the module's interface;
4. the files of ``focus``, each whole, or its head when that does not fit;
5. the neighbours of the definition, nearest first, while they leave a quarter of the budget;
6. the interface of the file, and of the modules that the definition names: whole, or else what is used of them;
7. further errors, and with what is left more neighbours.

With an error that names no place, such as a failing test: the error, the files of ``focus``, then what the search
finds for its message and those of the other errors.

Without an error: what is around the person's place, the files of ``focus``, then what the search finds for the
person's words.
"""

from greenloop.prompts.draft import Draft
from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.question import Context, Question
from greenloop.prompts.recipes import DEFAULT, Recipe, plugin_named
from greenloop.prompts.retrieval.in_memory import InMemory
from greenloop.prompts.retrieval.seam import Index
from greenloop.records import InputError
from greenloop.workspace.store import TreeStore


def gather(
    store: TreeStore, question: Question, *, budget: int, recipe: Recipe = DEFAULT, index: Index | None = None
) -> Context:
    """Return what to show for ``question`` in at most ``budget`` tokens, as ``prompts.tokens`` estimates them.

    The budget covers code, errors and notes; ``render.overhead`` tells what the rest of the prompt costs. Without an
    ``index`` the tree is searched as it is, which reads it. Raises ``InputError`` when a path of the question is not in
    the tree, the budget does not even hold the error, or the recipe names a plug-in that is not there.
    """
    draft = Draft(store, question.tree, budget)
    for path in (*question.focus, *((question.place.path,) if question.place is not None else ())):
        if path not in draft.entries:
            raise InputError(f"{path}: not in the tree that is asked about", "is the path relative to the root?")
    desk = Desk(question, draft, index if index is not None else InMemory(store))
    for step in recipe.steps:
        draft.begin(step.plugin, step.ceiling(draft.tokens, budget))
        plugin_named(step.plugin).choose(desk)
    return draft.context(last=desk.anchor.file.path if desk.anchor is not None else None)
