"""Files of diagnostics as teams have them: Greenloop's own JSON, SARIF, and what tools print."""

import json
from pathlib import Path

import pytest

from greenloop.builds.diagnostics import ocaml
from greenloop.builds.diagnostics.handed import read_handed
from greenloop.records import Category, Diagnostic, InputError, Severity, Span

ONE = Diagnostic(
    severity=Severity.ERROR,
    category=Category.TYPE,
    message="This is no int",
    path="a.ml",
    span=Span(line=1, column=4, end_line=1, end_column=5),
)
OTHER = ONE.model_copy(update={"path": None, "span": None, "message": "nor this"})


def read(text: str, root: Path = Path("/src"), *, failed: bool = True) -> tuple[Diagnostic, ...]:
    return read_handed(text, root=root, parse=lambda text: ocaml.parse(text, root=str(root)), failed=failed)


def sarif(*results: dict[str, object], **run: object) -> str:
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t"}}, "results": results, **run}]})


def at(uri: str, **region: int) -> dict[str, object]:
    return {"locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}]}


def test_greenloops_own_as_lines_as_an_array_and_alone() -> None:
    lines = f"{ONE.model_dump_json()}\n\n{OTHER.model_dump_json()}\n"
    array = json.dumps([ONE.model_dump(mode="json"), OTHER.model_dump(mode="json")], indent=2)
    assert read(lines) == (ONE, OTHER) == read(array) == read("\ufeff" + array)
    assert read(json.dumps(ONE.model_dump(mode="json"), indent=1)) == (ONE,)
    assert read("[]") == () == read(" \n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"severity": "error"', "not JSON"),
        ('[{"line": ' + "9" * 5000 + "}]", "not JSON"),
        (ONE.model_dump_json() + "\n{", "line 2"),
        ('[{"severity": "loud", "category": "type", "message": "m"}]', "diagnostic 1: severity"),
        ('{"version": "1.0", "runs": []}', "only SARIF 2.1.0"),
        ('{"version": "2.1.0", "runs": [{"results": [{"level": "error"}]}]}', "no valid SARIF: result 1"),
        ('{"version": "2.1.0", "runs": 7}', "no valid SARIF"),
        ("[{}, 7]", "diagnostic 1"),
    ],
)
def test_what_cannot_be_read_gives_one_clear_error(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert says in str(caught.value)


def test_sarif_levels_places_and_rules(tmp_path: Path) -> None:
    (tmp_path / "a.ml").write_text("let x = 1\nlet é𝄞 = oops\n")
    here = at("a.ml", startLine=2, startColumn=10, endLine=2, endColumn=14)
    rules = [{"id": "R1", "defaultConfiguration": {"level": "error"}, "messageStrings": {"m": {"text": "no {0} here"}}}]
    found = read(
        sarif(
            {"ruleId": "R1", "message": {"id": "m", "arguments": ["oops"]}, **here},
            {"message": {"text": "careful"}, **at(f"file://{tmp_path}/b%20c.ml", startLine=3)},
            {"level": "note", "message": {"text": "by the way"}},
            {"level": "none", "message": {"text": "nothing"}},
            {"level": "error", "kind": "pass", "message": {"text": "passed"}},
            {"level": "error", "suppressions": [{"kind": "inSource"}], "message": {"text": "hushed"}},
            {"level": "error", "baselineState": "absent", "message": {"text": "gone"}},
            tool={"driver": {"name": "t", "rules": rules}},
        ),
        tmp_path,
    )
    assert [one.severity for one in found] == [Severity.ERROR, Severity.WARNING, Severity.INFO]
    assert [one.message for one in found] == ["no oops here", "careful", "by the way"]
    # `é` is one UTF-16 unit and two bytes, `𝄞` two units and four bytes
    assert found[0].span == Span(line=2, column=12, end_line=2, end_column=16)
    assert [one.path for one in found] == ["a.ml", "b c.ml", None]
    assert found[1].span == Span(line=3, column=0, end_line=3, end_column=0)


def test_sarif_columns_in_code_points_and_of_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.ml").write_text("𝄞 = oops\n")
    result = {"level": "error", "message": {"text": "m"}}
    region = {"startLine": 1, "startColumn": 5, "endColumn": 9}
    for uri, columns in (("a.ml", (7, 11)), ("gone.ml", (4, 8))):
        (found,) = read(sarif({**result, **at(uri, **region)}, columnKind="unicodeCodePoints"), tmp_path)
        assert found.span is not None
        assert (found.span.column, found.span.end_column) == columns


def test_what_a_compiler_printed_is_read_by_its_parser() -> None:
    text = 'File "/src/lib/a.ml", line 2, characters 4-8:\nError: Unbound value oops\n'
    (found,) = read(text)
    assert (found.path, found.category) == ("lib/a.ml", Category.UNBOUND)


def test_a_failure_that_nothing_explains_keeps_its_last_words() -> None:
    text = "[ERROR] the linker gave up\n"
    (found,) = read(text)
    assert found.message == "[ERROR] the linker gave up"
    assert found.path is None
    assert read(text, failed=False) == ()
