"""``greenloop acp`` before the client of ACP's own SDK: real processes, real builds, a scripted model."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from acp import RequestError
from acp.helpers import resource_link_block, text_block
from acp.schema import FileEditToolCallContent, ReadTextFileResponse, ToolCallUpdate
from tests.aid.acp.conftest import Project
from tests.aid.acp.editor import Editor, agent, refuse, started

from greenloop.cli.home import Home
from greenloop.records.funnel import Step

GENEROUS = 200.0
SOURCE = "let one = 1\n\nlet total = List.fold_left ( + ) 0 [ one; 2 ]\n"
BROKEN = SOURCE.replace("0 [", '"0" [')
REPLY = f"shop.ml\n<<<<\n{BROKEN.splitlines()[2]}\n====\n{SOURCE.splitlines()[2]}\n>>>>\n"


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's own coroutine, but not for ever."""
    asyncio.run(asyncio.wait_for(work, GENEROUS))


def steps(home: Path) -> list[Step]:
    """What the funnel says became of the turns."""
    return [event.step for event in Home(home).funnel.events()]


def data_of(error: RequestError) -> dict[str, str]:
    """What an error says of itself: code, message, way out."""
    assert isinstance(error.data, dict)
    return error.data


def diff_of(call: ToolCallUpdate) -> tuple[str, str | None, str]:
    """What the first content of a tool call shows: path, text before, text after."""
    assert call.content is not None
    first = call.content[0]
    assert isinstance(first, FileEditToolCallContent)
    return first.path, first.old_text, first.new_text


def test_what_is_not_even_saved_is_fixed_in_the_editor(home: Path, project: Project) -> None:
    root = project({"shop.ml": SOURCE}, REPLY)
    path = str(root / "shop.ml")
    editor = Editor(buffers={path: BROKEN})

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            answer = await client.prompt(
                session_id=session.session_id,
                prompt=[text_block("fix that error"), resource_link_block("shop.ml", Path(path).as_uri())],
            )
            assert answer.stop_reason == "end_turn"

    run(work())
    (asked,) = editor.asked
    assert diff_of(asked) == (path, BROKEN, SOURCE)
    assert asked.title == "Edit shop.ml [type-checks]"
    assert editor.statuses(asked.tool_call_id) == ["pending", "in_progress", "completed"]
    assert editor.written == {path: SOURCE}
    assert Path(path).read_text() == SOURCE
    assert "Fixed: type-checks." in editor.said
    assert "Written: shop.ml [type-checks]." in editor.said
    # what nobody had judged yet was no message
    assert "<<<<" in editor.thought
    assert "<<<<" not in editor.said
    assert steps(home)[-1] is Step.ACCEPTED


def test_an_editor_without_files_gets_them_written_on_the_disk(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY)
    (root / "shop.ml").chmod(0o750)
    editor = Editor()

    async def work() -> None:
        async with agent(home, editor, files=False) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(session_id=session.session_id, prompt=[text_block("")])

    run(work())
    assert editor.written == {}
    assert (root / "shop.ml").read_text() == SOURCE
    assert (root / "shop.ml").stat().st_mode & 0o777 == 0o750
    assert sorted(one.name for one in root.iterdir()) == [".git", "dune", "dune-project", "greenloop.toml", "shop.ml"]


def test_an_editor_that_would_write_over_unsaved_text_does_not_write(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY)

    class DiskReader(Editor):
        """Gives the disk for a file whose buffer was changed, as CodeCompanion.nvim does."""

        async def read_text_file(self, session_id: str, path: str, **_: Any) -> ReadTextFileResponse:
            return ReadTextFileResponse(content=Path(path).read_text())

    editor = DiskReader(buffers={str(root / "shop.ml"): "(* typed *)\n" + BROKEN})

    async def work() -> None:
        async with agent(home, editor, name="CodeCompanion.nvim") as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(session_id=session.session_id, prompt=[text_block("fix it")])

    run(work())
    # the buffer is as it was typed, and the file below it changed
    assert editor.written == {}
    assert (root / "shop.ml").read_text() == SOURCE


def test_what_is_refused_is_not_written(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY)
    editor = Editor(refuse)

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            answer = await client.prompt(session_id=session.session_id, prompt=[text_block("fix it")])
            assert answer.stop_reason == "end_turn"

    run(work())
    assert editor.written == {}
    assert (root / "shop.ml").read_text() == BROKEN
    assert editor.statuses(editor.asked[0].tool_call_id) == ["pending", "failed"]
    assert Step.REFUSED in steps(home)
    assert Step.ACCEPTED not in steps(home)


@pytest.mark.parametrize("files", [True, False], ids=["in the editor", "on the disk"])
def test_what_was_typed_meanwhile_is_never_overwritten(home: Path, project: Project, files: bool) -> None:
    root = project({"shop.ml": BROKEN}, REPLY)
    path = root / "shop.ml"
    typed = BROKEN.replace("one; 2", "one; 3")
    editor = Editor()

    async def type_and_accept(_call: ToolCallUpdate) -> str:
        if files:
            editor.buffers[str(path)] = typed
        else:
            path.write_text(typed)
        return "accept"

    editor.choose = type_and_accept

    async def work() -> None:
        async with agent(home, editor, files=files) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(session_id=session.session_id, prompt=[text_block("fix it")])

    run(work())
    assert editor.written == {}
    assert path.read_text() == (BROKEN if files else typed)
    assert "Not written: shop.ml: changed where the suggestion changes it" in editor.said
    assert editor.statuses(editor.asked[0].tool_call_id)[-1] == "failed"
    assert Step.ACCEPTED not in steps(home)


def test_half_of_a_suggestion_is_asked_about_again_with_its_own_badge(home: Path, project: Project) -> None:
    # a rename in two files: either half alone is red
    reply = (
        "price.ml\n<<<<\nlet cent = 1\n====\nlet penny = 1\n>>>>\n"
        "till.ml\n<<<<\nlet sum = Price.cent + 1\n====\nlet sum = Price.penny + 1\n>>>>\n"
    )
    root = project({"price.ml": "let cent = 1\n", "till.ml": "let sum = Price.cent + 1\n"}, reply)

    async def the_first_alone(call: ToolCallUpdate) -> str:
        return "accept" if (call.title or "").startswith("Edit price.ml") else "refuse"

    editor = Editor(the_first_alone)

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(session_id=session.session_id, prompt=[text_block("call cents pennies")])

    run(work())
    mistrust = "look twice: it removes a name that others may use"
    assert [call.title for call in editor.asked] == [
        f"Edit price.ml [type-checks (all 2 files together); {mistrust}]",
        f"Edit till.ml [type-checks (all 2 files together); {mistrust}]",
        "Write price.ml [1 error]",
    ]
    assert editor.written == {}
    assert "this was refused" in editor.said


def test_cancelling_ends_the_model(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY + "x" * 4000, delta_seconds=5.0)
    editor = Editor()

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            asking = asyncio.create_task(client.prompt(session_id=session.session_id, prompt=[text_block("fix it")]))
            await editor.thinking.wait()
            with pytest.raises(RequestError, match="answers a prompt already") as busy:
                await client.prompt(session_id=session.session_id, prompt=[text_block("and that")])
            assert data_of(busy.value)["code"] == "busy"
            await client.cancel(session_id=session.session_id)
            # the reply takes 20 minutes
            assert (await asking).stop_reason == "cancelled"

    run(work())
    assert editor.asked == []


def test_cancelling_before_the_permission_is_given_writes_nothing(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY)
    waiting = asyncio.Event()

    async def never(_call: ToolCallUpdate) -> str:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    editor = Editor(never)

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            asking = asyncio.create_task(client.prompt(session_id=session.session_id, prompt=[text_block("fix it")]))
            await waiting.wait()
            await client.cancel(session_id=session.session_id)
            assert (await asking).stop_reason == "cancelled"

    run(work())
    assert editor.written == {}
    assert (root / "shop.ml").read_text() == BROKEN
    assert editor.statuses(editor.asked[0].tool_call_id)[-1] == "failed"


def test_a_folder_that_is_not_trusted_is_not_built_and_that_is_said(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY, trusted=False)
    own = (root / "greenloop.toml").read_text()
    # of a folder that is not trusted the settings do not hold either
    (home / "greenloop.toml").write_text(own)
    editor = Editor(refuse)

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(
                session_id=session.session_id,
                prompt=[text_block("mend the total"), resource_link_block("shop.ml", (root / "shop.ml").as_uri())],
            )

    run(work())
    assert f"{root} is not trusted: nothing of it is built" in editor.said
    assert "unverified" in (editor.asked[0].title or "")
    assert not (root / "_build").exists()


def test_it_ends_with_its_editor_in_the_middle_of_a_turn(home: Path, project: Project) -> None:
    root = project({"shop.ml": BROKEN}, REPLY + "x" * 4000, delta_seconds=5.0)
    editor = Editor()

    async def work() -> None:
        async with started(home, editor) as (client, process):
            await client.initialize(protocol_version=1)
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            asking = asyncio.create_task(client.prompt(session_id=session.session_id, prompt=[text_block("fix it")]))
            await editor.thinking.wait()
            assert process.stdin is not None
            process.stdin.close()
            assert await process.wait() == 0
            asking.cancel()

    run(work())


def test_a_renamed_file_is_moved_by_the_editor_and_the_old_one_goes(home: Path, project: Project) -> None:
    reply = "till.ml\n<<<< rename desk.ml\n"
    root = project({"till.ml": "let sum = 1\n"}, reply)
    editor = Editor()

    async def work() -> None:
        async with agent(home, editor) as client:
            session = await client.new_session(cwd=str(root), mcp_servers=[])
            await client.prompt(session_id=session.session_id, prompt=[text_block("call the till a desk")])

    run(work())
    assert editor.written == {str(root / "desk.ml"): "let sum = 1\n"}
    assert not (root / "till.ml").exists()


def test_errors_have_names_and_a_way_out(home: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with agent(home, Editor()) as client:
            with pytest.raises(RequestError, match="no such file or folder") as absent:
                await client.new_session(cwd=str(tmp_path / "nowhere"), mcp_servers=[])
            assert data_of(absent.value)["code"] == "input"
            assert data_of(absent.value)["way_out"]
            with pytest.raises(RequestError, match="no such session") as unknown:
                await client.prompt(session_id="abc", prompt=[text_block("fix it")])
            assert data_of(unknown.value)["code"] == "unknown-session"
            with pytest.raises(RequestError, match="not found"):
                await client.list_sessions()

    run(work())


def test_a_file_in_the_place_of_an_editor_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("{}\n")
    with (tmp_path / "in").open() as words:
        done = subprocess.run(
            [sys.executable, "-m", "greenloop", "--home", str(home), "acp"],
            check=False,
            stdin=words,
            capture_output=True,
            text=True,
            timeout=GENEROUS,
        )
    assert done.returncode == 2
    assert "stdin or stdout is a file" in done.stderr
