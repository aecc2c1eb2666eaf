"""The kinds of mutation, each with what a build will most often say of it and how far one has to go to see it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from greenloop.mining.synthetic import (
    arguments,
    behaviour,
    cases,
    constructors,
    dune_files,
    interfaces,
    numbers,
    options,
    spelling,
    syntax_slips,
)
from greenloop.mining.synthetic.code import Mutant
from greenloop.mining.synthetic.project import Project
from greenloop.records import Category, Suite


@dataclass(frozen=True, slots=True)
class Mutation:
    """A family of mutants.

    ``category`` is the error that it is drawn for; what a build then says decides. ``suites`` are judged in order
    until one is red.
    """

    category: Category
    find: Callable[[Project], Iterator[Mutant]]
    suites: tuple[Suite, ...] = (Suite.CHECK,)


_TESTED = (Suite.TEST,)
_EITHER = (Suite.CHECK, Suite.TEST)

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(Category.TYPE, arguments.swapped, _EITHER),
    Mutation(Category.TYPE, constructors.wrong),
    Mutation(Category.TYPE, constructors.fewer),
    Mutation(Category.TYPE, constructors.more),
    Mutation(Category.TYPE, numbers.operators),
    Mutation(Category.TYPE, numbers.literals),
    Mutation(Category.TYPE, options.dropped),
    Mutation(Category.TYPE, options.added),
    Mutation(Category.TYPE, options.unmatched),
    Mutation(Category.TYPE, interfaces.retyped),
    Mutation(Category.TYPE, syntax_slips.commas),
    Mutation(Category.SYNTAX, syntax_slips.left_out),
    Mutation(Category.SYNTAX, syntax_slips.semicolons),
    Mutation(Category.UNBOUND, spelling.slips),
    Mutation(Category.UNBOUND, spelling.renamed),
    Mutation(Category.UNBOUND, spelling.without_rec),
    Mutation(Category.UNBOUND, interfaces.renamed),
    Mutation(Category.UNBOUND, interfaces.left_out),
    Mutation(Category.WARNING, cases.missing),
    Mutation(Category.DEPENDENCY, dune_files.dropped),
    Mutation(Category.DEPENDENCY, dune_files.misnamed),
    Mutation(Category.TEST, behaviour.flipped, _TESTED),
    Mutation(Category.TEST, behaviour.off_by_one, _TESTED),
    Mutation(Category.TEST, behaviour.swapped, _TESTED),
)
