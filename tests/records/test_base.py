import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from greenloop.records import Block, DeleteFile, Edit, RecordError, RenameFile, ReplaceBlocks, Suite, Verdict, WriteFile

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
blocks = st.builds(Block, search=texts, replace=texts, line=st.none() | st.integers(1, 99))
files = st.one_of(
    st.builds(ReplaceBlocks, path=texts, blocks=st.lists(blocks, max_size=3).map(tuple)),
    st.builds(WriteFile, path=texts, content=texts, executable=st.none() | st.booleans()),
    st.builds(DeleteFile, path=texts),
    st.builds(RenameFile, path=texts, new_path=texts),
)
edits = st.builds(Edit, files=st.lists(files, max_size=4).map(tuple))


@given(edits)
def test_a_record_survives_json(edit: Edit) -> None:
    assert Edit.from_json(edit.to_json()) == edit
    assert "\n" not in edit.to_json()


@given(edits)
def test_equal_records_give_equal_bytes(edit: Edit) -> None:
    assert Edit.from_json(edit.to_json()).to_json() == edit.to_json()


def test_records_are_frozen() -> None:
    edit = Edit(files=())
    with pytest.raises(ValidationError):
        edit.files = (DeleteFile(path="a"),)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"files":[]', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"files":' + "1" * 5000 + "}", "not JSON"),
        ("[]", "something else"),
        ('{"files":[],"record":"Verdict","version":1}', "something else"),
        ('{"files":[],"record":"Edit","version":2}', "version 2"),
        ('{"files":[],"record":"Edit","version":1,"more":0}', "more"),
        ('{"files":[{"kind":"chmod","path":"a"}],"record":"Edit","version":1}', "files.0"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, named: str) -> None:
    with pytest.raises(RecordError, match=named):
        Edit.from_json(text)


def test_suites_hold_their_stages_in_order() -> None:
    assert [stage.value for stage in Suite.CHECK.stages] == ["parse", "types"]
    assert [stage.value for stage in Suite.TEST.stages] == ["parse", "types", "build", "tests"]


def test_a_tree_id_is_checked() -> None:
    with pytest.raises(RecordError, match="tree"):
        Verdict.from_json(
            '{"record":"Verdict","version":1,"tree":"abc","toolchain":"t","suite":"check","status":"green"}'
        )
