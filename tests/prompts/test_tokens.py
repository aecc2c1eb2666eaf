"""The estimate of tokens, against its rule and against a real tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.models.local import LocalModel
from greenloop.prompts.tokens import estimate_tokens

PIECES = [
    "let rec append xs ys = match xs with\n  | [] -> ys\n  | h :: t -> h :: append t ys\n",
    "type 'a tree = Leaf | Node of 'a tree * 'a * 'a tree\n",
    "let sum_of_squares l = List.fold_left (fun acc x -> acc + x * x) 0 l\n",
    "let _ = bigMul [9;9;9;9;9] [9;9;9;9;9]\n",
    "module IntMap = Map.Make (struct type t = int let compare = compare end)\n",
    "let pi = 4.0 *. atan 1.0\nlet buildX()                       = VarX\n",
    'let () = Printf.printf "%d items, total %.2f\\n" (List.length items) total\n',
    "exception Parse_error of { line : int; message : string }\n",
    "let rec digitsOfInt n =\n  if n <= 0 then [] else digitsOfInt (n / 10) @ [n mod 10]\n",
    "(* naïve, but «good enough» for 100 entries *)\n",
]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("let", 1),
        ("letter", 2),
        ("buildECosSin", 5),
        ("a b", 2),
        ("x 12", 4),
        ("é", 2),
        ("a\n    b", 3),
        ("->", 2),
    ],
)
def test_the_rule(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.lists(st.text().map(lambda line: line + "\n"), max_size=4))
def test_together_lines_never_cost_more_than_apart(lines: list[str]) -> None:
    assert estimate_tokens("".join(lines)) <= sum(map(estimate_tokens, lines))


@given(st.text())
def test_only_a_blank_is_free(text: str) -> None:
    assert estimate_tokens(text) > 0 or text in {"", " "}


def test_it_bounds_the_real_tokenizer() -> None:
    with LocalModel(context_tokens=256) as model:
        true = [model.count_tokens(piece) for piece in PIECES]
    estimates = [estimate_tokens(piece) for piece in PIECES]
    assert all(count <= 1.18 * estimate for count, estimate in zip(true, estimates, strict=True)), (true, estimates)
    assert 0.7 * sum(estimates) <= sum(true) <= sum(estimates)
