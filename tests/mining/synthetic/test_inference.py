"""What may be asked for: the way back can be told from what is left."""

import pytest

from greenloop.mining.synthetic.code import Mutant
from greenloop.mining.synthetic.inference import inferable
from greenloop.workspace.syntax import language_of


@pytest.mark.parametrize(
    ("source", "broken", "known"),
    [
        ("let f x = g (x)\n", "let f x = g (x\n", True),
        ("let f x = x + 1\n", "let f x = x + 1.\n", True),
        ("let f x = x +. 2.0\n", "let f x = x +. 2\n", True),
        ("let f x = String.length x\n", "let f x = Strng.length x\n", True),
        ("let f x = Other.g x\n", "let f x = 1\n", False),
        ("let f x = helper x\nlet y = 1\n", "let f x = elsewhere x\nlet y = 1\n", True),
        # a number that nothing else names
        ("let f x = x + 7\n", "let f x = x + 8\n", False),
        ("let f = function A -> 7 | B -> 7 + 7\n", "let f = function A -> 8 | B -> 7 + 7\n", True),
        # a case goes with its body
        ("let f = function A -> a | B -> b\nlet b = 1\n", "let f = function A -> a\nlet b = 1\n", False),
        (
            "let f x b = match x with A -> a | B -> b\nlet t = B\n",
            "let f x b = match x with A -> a\nlet t = B\n",
            False,
        ),
        ("let f B b = match x with A -> b B | B -> b\n", "let f B b = match x with A -> b B\n", True),
    ],
)
def test_a_repair_can_be_told_or_not(source: str, broken: str, known: bool) -> None:
    mutant = Mutant("any", "a.ml", (), 1)
    found = inferable(mutant, source.encode(), broken.encode(), language_of("a.ml"), frozenset({"helper"}))
    assert found is known


@pytest.mark.parametrize(
    ("path", "source", "broken", "known"),
    [
        ("dune", "(libraries base str)", "(libraries base)", False),
        ("dune", "(libraries helper str)", "(libraries str)", True),
        ("a.mli", "val helper : int -> int\n", "", False),
        ("a.mli", "val helper : int -> int\nval f : int\n", "val f : int\n", True),
    ],
)
def test_outside_an_implementation_other_files_tell(path: str, source: str, broken: str, known: bool) -> None:
    mutant = Mutant("any", path, (), 1)
    found = inferable(mutant, source.encode(), broken.encode(), language_of(path), frozenset({"Helper", "helper"}))
    assert found is known
