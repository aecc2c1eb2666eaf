"""dune files are read as dune reads them: comments of three kinds, strings of two, and nothing unclosed."""

import pytest

from greenloop.builds.sexp import SexpError, atoms, fields, head, read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("(library (name x))", (("library", ("name", "x")),)),
        ("; (a)\n(b) ; c\n", (("b",),)),
        ("(a #| (b #| c |# |# d)", (("a", "d"),)),
        ("(a #;(b c) d #; e)", (("a", "d"),)),
        ("(a #;#;b c d)", (("a", "d"),)),
        ('(a "b (c) ; d" "e\\"f\\n")', (("a", "b (c) ; d", 'e"f\n'),)),
        ('(a "one \\\n   two")', (("a", "one two"),)),
        ('(system "\\| echo (\n         "\\| ls\n)', (("system", "echo (\nls"),)),
        ("(a#b %{deps} :standard \\ x)", (("a#b", "%{deps}", ":standard", "\\", "x"),)),
        ("(a\n(b))(c)", (("a", ("b",)), ("c",))),
        ("(\u00e9 |# a|b)", (("\u00e9", "|#", "a|b"),)),
    ],
)
def test_what_is_read(text: str, expected: object) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["(", ")", "(a))", '(a "b)', "(a #| b)", "(a #;)", "#;", "(" * 300 + ")" * 300])
def test_what_dune_refuses_is_refused(text: str) -> None:
    with pytest.raises(SexpError):
        read(text)


def test_helpers() -> None:
    (stanza,) = read("(rule (targets a b) (action (run gen %{deps})) fallback)")
    assert head(stanza) == "rule"
    assert [name for name, _ in fields(stanza)] == ["targets", "action"]
    assert atoms(stanza) == ("rule", "targets", "a", "b", "action", "run", "gen", "%{deps}", "fallback")
    assert head("x") == ""
    assert fields("x") == ()
