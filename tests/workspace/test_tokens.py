"""Layout and comments are no code; everything else is, in broken text as well."""

import time

import pytest
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


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # a quote behind a prime of an identifier opens no character
        (b"""f'"'(*" exit 0 (*" *)" *)""", b"""f' "'(*" exit 0"""),
        (b"""(* f'"'*)" *) x""", b"x"),
        (b"""(* 1'"' *) x""", b"x"),
        (b"""(* ''"' *) x" *) y""", b"y"),
        (b"""'\n'"' (* "x""", b"""'\n' "' (* " x"""),
        (b"""(* '\\u{41}'"' *) x""", b"x"),
        # line directives
        (b'# 100 "a.ml" (*\nexit 0\n# 200 "a.ml" *)\n', b"exit 0"),
        (b'#1 "a" "\nx\n#\t2 "a" "\n', b"x"),
        (b'x # 1 "a" (* *)', b'x # 1 "a"'),
        (b'"\n# 1 " x', b'"\n# 1 " x'),
        (b'(*\n# 1 "*)" *) x *)', b"x * )"),
        # quoted extensions
        (b'{%x|"(*|} x', b'{%x|"(*|} x'),
        (b'{%%x.y\t id|" |} (*|id} x', b'{%%x.y\t id|" |} (*|id} x'),
        (b'(* {%xid|"*)|} *) x', b"x"),
        (b'(* {%x id|"*)|} |id} *) x', b"x"),
        # labels
        (b"f ~exit ~exit:0 ?exit:(x) ~exit : y", b"f ~ exit ~exit: 0 ?exit: ( x ) ~ exit : y"),
    ],
)  # fmt: skip
def test_what_the_compiler_takes_for_code(source: bytes, expected: bytes) -> None:
    """Each as OCaml 4.13's own lexer reads it."""
    assert b" ".join(tokens(source, Language.OCAML)) == expected


@pytest.mark.parametrize(
    "part", [b'"\\', b'\\"', b"{%a", b"{a", b"(*", b"a'", b"'", b"# 1", b"\n#1 ", b"{%a.b c|", b"1a"]
)
def test_hostile_texts_take_linear_time(part: bytes) -> None:
    started = time.process_time()
    for before in (b"", b"(* ", b'"'):
        tokens(before + part * 50_000 + b"\\", Language.OCAML)
    assert time.process_time() - started < 5


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
    st.sampled_from(
        [" ", "\n", "let", "x", "1", "(*", "*)", "(", ")", "*", '"', "'", "{|", "|}", "a b", ";;", "#", "{%x|", "f'"]
    ),
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
