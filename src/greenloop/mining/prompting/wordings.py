"""What people say, as data: orders in lower case, questions, and telegraphic words, each with its weight.

A ladder stands in each table: from the place and the compiler's own words, over a clause with the definition's name and
a short order, down to "fix that error". Names in braces are those of ``slots``; a wording with an unknown one is left
out. ``ladder`` makes sentences, and more questions, of the orders. A table holds no names of anybody's code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenloop.mining.changed import ChangedFile
from greenloop.records import Category


@dataclass(frozen=True, slots=True)
class Wording:
    """A text, and how often it is taken beside the others of its form."""

    weight: int
    text: str


COMMONEST = "fix that error"
"""What people type most: the order of the bottom rung with the largest weight."""

_BUILD = (
    Wording(2, "fix the {kind} in {name} in {path}: {message}"),
    Wording(2, "{file} doesn't compile, the compiler says: {message}; please fix it"),
    Wording(2, "fix the {kind} in {name} in {file}, the compiler stops there and says: {message}"),
    Wording(1, "the build is red because of the {kind} in {name} in {file}, please have a look at it and fix it"),
    Wording(1, "the build is red because of that error in {file}, please have a look at it and fix what is wrong"),
    Wording(1, "it doesn't compile any more and I do not see why, please have a look at the error and fix it"),
    Wording(4, "fix the {kind} in {name} in {file}"),
    Wording(3, "{file} doesn't compile, please look at {name} and fix it"),
    Wording(3, "the build is red, please find the error and fix it"),
    Wording(3, "fix the {kind} in {name} so that it compiles again"),
    Wording(2, "it doesn't compile any more, please have a look and fix it"),
    Wording(10, "fix the {kind}"),
    Wording(6, "it doesn't compile, fix it"),
    Wording(6, "fix the error in {name}"),
    Wording(5, "fix the {kind} in {name}"),
    Wording(4, "please fix that error"),
    Wording(3, "{name} doesn't compile, fix it"),
    Wording(2, "there is a {kind} in {file}, fix it"),
    Wording(2, "fix the error in {file}"),
    Wording(24, COMMONEST),
    Wording(12, "fix this"),
    Wording(8, "fix the error"),
    Wording(6, "make it compile"),
    Wording(6, "fix it"),
    Wording(3, "repair this please"),
    Wording(1, "can you see what is wrong in {name} in {file} and fix it so that it compiles again?"),
    Wording(1, "the compiler stops at this error and I do not see why, can you look at it and fix it?"),
    Wording(2, "why doesn't {name} in {file} compile, and can you fix it?"),
    Wording(3, "why doesn't this compile, can you fix it?"),
    Wording(3, "what is wrong in {name}, can you fix it?"),
    Wording(4, "why doesn't this compile?"),
    Wording(2, "{file}: {kind} in {name}, compiler output: {brief}"),
    Wording(2, "build red, {kind} in {name} in {file}, compiler output: {brief}"),
    Wording(2, "{kind} in {name}: {brief}"),
    Wording(2, "{file}: {kind} in {name}, build red, fix needed"),
    Wording(1, "build red, compile error, cause not obvious, fix needed"),
    Wording(6, "{kind} in {name}"),
    Wording(3, "{file}: {kind} in {name}"),
    Wording(3, "build red, fix needed"),
    Wording(8, "{kind}"),
    Wording(5, "compile error"),
    Wording(4, "build broken"),
    Wording(3, "{name}: {kind}"),
)
_OF_CATEGORY: dict[Category, tuple[Wording, ...]] = {
    Category.TYPE: (Wording(3, "make {name} type-check"),),
    Category.UNBOUND: (
        Wording(6, "{unbound} is unbound, fix that"), Wording(4, "fix the unbound {unbound}"),
        Wording(4, "{unbound} unbound"), Wording(2, "{unbound} is unbound in {name} in {file}, please fix that"),
    ),
    Category.DEPENDENCY: (Wording(10, "fix that dependency"), Wording(5, "a dependency is missing, fix that")),
}  # fmt: skip
_WARNING = (
    Wording(2, "fix the warning in {name} in {path}: {message}"),
    Wording(1, "the build stops at a warning in {name} in {file}, please have a look at it and get rid of it"),
    Wording(1, "the build stops at this warning and I do not see why, please have a look and get rid of it"),
    Wording(3, "the build stops at a warning, please get rid of it"),
    Wording(2, "fix the warning in {name} so that the build is green"),
    Wording(8, "get rid of this warning"),
    Wording(6, "fix the warning in {name}"),
    Wording(2, "please fix the warning in {file}"),
    Wording(24, "fix that warning"),
    Wording(12, "fix this"),
    Wording(6, "fix the warning"),
    Wording(2, "why does the build stop at this warning, can you fix it?"),
    Wording(2, "{kind} in {name} in {file}: {brief}"),
    Wording(4, "{kind} in {name}"),
    Wording(3, "build red from {kind}"),
    Wording(4, "{kind}"),
    Wording(3, "build broken"),
)
_TEST = (
    Wording(2, 'the test "{test}" fails, please have a look at what it says and fix it so that all tests pass again'),
    Wording(1, "the tests are red and I do not see why, please have a look at what they say and fix it"),
    Wording(3, 'the test "{test}" fails, please find out why and fix it'),
    Wording(3, "the tests are red, please find out why and fix it"),
    Wording(6, "a test fails, fix it"),
    Wording(5, 'make the test "{test}" pass'),
    Wording(4, "make all the tests pass again"),
    Wording(4, 'the test "{test}" fails, fix it'),
    Wording(24, "fix that failure"),
    Wording(12, "fix this"),
    Wording(8, "make the tests pass"),
    Wording(6, "make it pass"),
    Wording(1, 'can you see why the test "{test}" fails and fix it so that all the tests pass again?'),
    Wording(2, 'why does the test "{test}" fail, and can you fix it?'),
    Wording(3, "why does this test fail, can you fix it?"),
    Wording(4, "why does it fail?"),
    Wording(2, 'tests red, "{test}" fails, cause not obvious, fix needed'),
    Wording(4, '"{test}" fails'),
    Wording(3, "tests red, fix needed"),
    Wording(6, "failing test"),
    Wording(4, "tests red"),
)

_TITLED = (
    Wording(30, "{order}"), Wording(10, "{order}, in {file}"), Wording(6, "{order}: {name}"),
    Wording(4, "{order}, that is {name} in {file}"), Wording(2, "{order}, it is about {name} and {other} in {file}"),
)  # fmt: skip
_CHANGING = (
    Wording(12, "change {name}"), Wording(8, "update {name} in {file}"), Wording(6, "adapt {name}"),
    Wording(6, "change {name} and {other}"), Wording(4, "update {file}"), Wording(2, "rework {name}"),
    Wording(2, "please change {name} and {other} in {file}"),
    Wording(2, "change {name} and what belongs to it in {file}"),
    Wording(4, "{name}: update needed"), Wording(3, "{file}: {name}, update needed"),
)  # fmt: skip
_ADDING = (
    Wording(12, "add to {file}"), Wording(8, "extend {file}"), Wording(6, "add what is missing to {file}"),
    Wording(2, "please have a look at {file} and add what is missing"), Wording(4, "{file}: addition needed"),
)  # fmt: skip
_COMING = (
    Wording(12, "add a file to {folder}"), Wording(8, "add a new file"), Wording(4, "start a new file in {folder}"),
    Wording(3, "add a file"), Wording(4, "new file"), Wording(3, "new file in {folder}"),
)  # fmt: skip
_REMOVING = (
    Wording(12, "remove {gone}"), Wording(8, "drop {gone} from {file}"), Wording(6, "delete {gone}"),
    Wording(4, "clean up {file}"), Wording(2, "{gone} in {file} is not needed any more, remove it"),
    Wording(4, "{gone} obsolete"), Wording(3, "{file}: {gone} obsolete"),
)  # fmt: skip
_DELETING = (
    Wording(12, "delete {file}"), Wording(8, "remove {file}"), Wording(4, "we do not need {file}, remove it"),
    Wording(2, "{file} is not needed any more, please delete it"), Wording(4, "{file} obsolete"),
)  # fmt: skip


def of_error(category: Category) -> tuple[Wording, ...]:
    """Return the wordings for a red tree whose first error is of ``category``."""
    if category is Category.TEST:
        return _TEST
    return _WARNING if category is Category.WARNING else _BUILD + _OF_CATEGORY.get(category, ())


def of_change(files: Sequence[ChangedFile]) -> Iterator[Wording]:
    """Yield the wordings for a change of a green tree."""
    yield from _TITLED
    if all(file.new is None for file in files):
        yield from _DELETING
    elif all(file.old is None for file in files):
        yield from _COMING
    elif all(_added_only(file) for file in files):
        yield from _ADDING
    else:
        yield from _CHANGING
        yield from _REMOVING


def _added_only(file: ChangedFile) -> bool:
    if file.old is None or file.new is None:
        return file.old is None
    return all(hunk.start == hunk.end for hunk in file.hunks)
