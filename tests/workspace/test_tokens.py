"""Layout and comments are no code; everything else is, in broken text as well."""

from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.workspace.syntax import Language
from greenloop.workspace.tokens import same_code, token_lines, tokens


def test_tokens_know_ocaml() -> None:
    source = b"""let f' = '"' (* "*)" (* nested *) 'x' *) ;; [@@x] {q|(* no *)|q} 1.5e-3 "a\\"b" |> (*"""
    expected = (
        b"let",
        b"f'",
        b"=",
        b"'\"'",
        b";;",
        b"[@@",
        b"x",
        b"]",
        b"{q|(* no *)|q}",
        b"1.5e-3",
        b'"a\\"b"',
        b"|>",
    )
    assert tokens(source, Language.OCAML) == expected


def test_lines_of_tokens_survive_comments() -> None:
    assert token_lines(b"let\n(* a\nb *) x\n\n= 1", Language.OCAML) == {1: (b"let",), 3: (b"x",), 5: (b"=", b"1")}


WORDS = st.lists(st.sampled_from(["let", "x", "=", "(", ")", '"s"', "'c'", "1", "+", ";;"]), max_size=20)
LAYOUT = st.lists(st.sampled_from([" ", "\n", "\t", " (* c *) ", '\n(* "(*" *)\n']), min_size=20, max_size=20)


@settings(deadline=None)
@given(WORDS, LAYOUT)
def test_layout_and_comments_are_never_code(words: list[str], layout: list[str]) -> None:
    plain = " ".join(words)
    decorated = "".join(word + blank for word, blank in zip(words, layout, strict=False))
    assert same_code(plain.encode(), decorated.encode(), Language.OCAML)
    assert not same_code(plain.encode(), (plain + " y").encode(), Language.OCAML)


TEXTS = st.lists(
    st.sampled_from([" ", "\n", "let", "x", "1", "(*", "*)", "(", ")", "*", '"', "'", "{|", "|}", "a b", ";;"]),
    max_size=12,
).map("".join)


@settings(deadline=None, max_examples=400)
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_cheap_answers_agree_with_the_lexer(before: str, old: str, new: str, after: str) -> None:
    sides = [f"{before}{middle}{after}".encode() for middle in (old, new)]
    if before.count("(*") == before.count("*)") == 0:
        expected = tokens(sides[0], Language.OCAML) == tokens(sides[1], Language.OCAML)
        assert same_code(sides[0], sides[1], Language.OCAML) == expected


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_tokens(source: bytes) -> None:
    for language in (Language.OCAML, None):
        lines = token_lines(source, language)
        assert [token for line in lines.values() for token in line] == list(tokens(source, language))


def test_where_blanks_may_matter_only_line_ends_are_layout() -> None:
    assert same_code(b"if x:\n    y\n", b"if x:  \n\n    y", None)
    assert not same_code(b"if x:\n    y\n", b"if x:\ny\n", None)
