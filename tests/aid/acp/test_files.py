"""The files of a session: read from the editor or the disk, and written only on what was handed over."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from acp import RequestError
from acp.interfaces import Client
from acp.schema import FileSystemCapabilities, ReadTextFileResponse, WriteTextFileResponse
from tests.aid.acp.editor import Editor

from greenloop.aid.acp.files import Files
from greenloop.aid.protocol.turns import Buffer, FileText
from greenloop.records import EditError, EnvironmentFault
from greenloop.workspace.edits.line_changes import sha256_of
from greenloop.workspace.store import TreeStore

OLD, NEW = "let x = 1\n", "let x = 2\n"
BOTH = FileSystemCapabilities(read_text_file=True, write_text_file=True)
NONE = FileSystemCapabilities(read_text_file=False, write_text_file=False)


def files_of(root: Path, editor: Editor, able: FileSystemCapabilities = BOTH) -> Files:
    """The files of a session at ``root/shop``."""
    (root / "shop").mkdir()
    return Files(cast(Client, editor), "s", root / "shop", able, lambda: TreeStore(root / "objects.git"))


def change(path: str) -> FileText:
    """A file that becomes ``NEW``."""
    return FileText(path=path, base_sha256=sha256_of(OLD), text=NEW)


def test_an_editor_that_loses_the_last_line_end_has_changed_nothing(tmp_path: Path) -> None:
    class Joining(Editor):
        async def read_text_file(self, session_id: str, path: str, **_: Any) -> ReadTextFileResponse:
            return ReadTextFileResponse(content=Path(path).read_text().removesuffix("\n"))

    editor = Joining()
    files = files_of(tmp_path, editor)
    (tmp_path / "shop" / "a.ml").write_text(OLD)
    assert asyncio.run(files.buffer("a.ml")) is None
    asyncio.run(files.write([change("a.ml")]))
    assert editor.written == {str(tmp_path / "shop" / "a.ml"): NEW}


def test_what_came_with_the_prompt_counts_where_nobody_may_read(tmp_path: Path) -> None:
    files = files_of(tmp_path, Editor(), NONE)
    (tmp_path / "shop" / "a.ml").write_text(OLD)
    assert asyncio.run(files.buffer("a.ml", NEW)) == Buffer(path="a.ml", text=NEW)
    assert asyncio.run(files.buffer("a.ml", OLD)) is None
    assert asyncio.run(files.buffer("a.ml")) is None


@pytest.mark.parametrize("able", [BOTH, NONE], ids=["editor", "disk"])
def test_one_text_that_changed_keeps_every_file_from_being_written(
    tmp_path: Path, able: FileSystemCapabilities
) -> None:
    editor = Editor()
    files = files_of(tmp_path, editor, able)
    (tmp_path / "shop" / "a.ml").write_text(OLD)
    (tmp_path / "shop" / "b.ml").write_text("typed\n")
    with pytest.raises(EditError, match=r"b\.ml: changed meanwhile \(nothing was written"):
        asyncio.run(files.write([change("a.ml"), change("b.ml")]))
    assert editor.written == {}
    assert (tmp_path / "shop" / "a.ml").read_text() == OLD


def test_a_new_file_is_never_laid_over_one_that_is_there(tmp_path: Path) -> None:
    editor = Editor()
    files = files_of(tmp_path, editor)
    (tmp_path / "shop" / "a.ml").write_text(OLD)
    with pytest.raises(EditError, match=r"a\.ml: exists already"):
        asyncio.run(files.write([FileText(path="a.ml", base_sha256=None, text=NEW)]))
    assert editor.written == {}


@pytest.mark.parametrize("able", [BOTH, NONE], ids=["editor", "disk"])
def test_a_renamed_program_stays_one(tmp_path: Path, able: FileSystemCapabilities) -> None:
    class Saving(Editor):
        async def write_text_file(self, session_id: str, path: str, content: str, **_: Any) -> WriteTextFileResponse:
            Path(path).write_text(content)
            return await super().write_text_file(session_id, path, content)

    files = files_of(tmp_path, Saving(), able)
    (tmp_path / "shop" / "old.sh").write_text(OLD)
    (tmp_path / "shop" / "old.sh").chmod(0o755)
    gone = FileText(path="old.sh", base_sha256=sha256_of(OLD), text=None)
    asyncio.run(files.write([gone, FileText(path="new.sh", base_sha256=None, text=OLD, executable=True)]))
    assert not (tmp_path / "shop" / "old.sh").exists()
    assert (tmp_path / "shop" / "new.sh").stat().st_mode & 0o111 == 0o111


def test_a_file_with_unsaved_text_is_not_deleted_and_nothing_else_written(tmp_path: Path) -> None:
    path = tmp_path / "shop" / "gone.ml"
    # the deletion was laid on the unsaved text, and another one lies on the disk
    editor = Editor(buffers={str(path): OLD})
    files = files_of(tmp_path, editor)
    path.write_text("saved\n")
    (tmp_path / "shop" / "a.ml").write_text(OLD)
    gone = FileText(path="gone.ml", base_sha256=sha256_of(OLD), text=None)
    with pytest.raises(EditError, match=r"gone\.ml: changed on the disk, or is not saved"):
        asyncio.run(files.write([change("a.ml"), gone]))
    assert editor.written == {}
    assert path.read_text() == "saved\n"


def test_an_editor_that_fails_half_way_is_named_with_what_it_wrote(tmp_path: Path) -> None:
    class Failing(Editor):
        async def write_text_file(self, session_id: str, path: str, content: str, **_: Any) -> WriteTextFileResponse:
            if path.endswith("b.ml"):
                raise RequestError.internal_error()
            return await super().write_text_file(session_id, path, content)

    files = files_of(tmp_path, Failing())
    for name in ("a.ml", "b.ml"):
        (tmp_path / "shop" / name).write_text(OLD)
    with pytest.raises(EnvironmentFault, match=r"b\.ml: the editor did not write it.*written already: a\.ml"):
        asyncio.run(files.write([change("a.ml"), change("b.ml")]))
