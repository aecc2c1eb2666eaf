"""MCP over a child's standard input and output: a line of JSON for each message, and nothing without a bound.

The ``mcp`` package's own ``stdio_client`` keeps whatever comes until a line ends, so that a server which never ends one
takes all memory there is; and what a server writes to its standard error may fill the disk.
"""

import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TextIO

import anyio
import anyio.abc
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

LINE_BYTES = 16 << 20
"""Bytes of the longest message that a server may write."""
LOG_BYTES = 4 << 20
"""Bytes of its standard error that are kept from one start of a server."""
_END_SECONDS = 2.0
_LAST_WORDS_SECONDS = 1.0
_POLL_SECONDS = 0.01
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError)

_Said = SessionMessage | Exception


@asynccontextmanager
async def bounded_stdio(
    command: Sequence[str], environment: Mapping[str, str], log: TextIO, *, limit: int = LINE_BYTES
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[_Said], MemoryObjectSendStream[SessionMessage]]]:
    """Run a server, with all of its ``environment``, and yield the streams of its messages; it ends with the block.

    A server that writes a line of more than ``limit`` bytes is killed, which its ``log`` says; whoever waits for it
    then sees the connection end. Raises ``OSError`` when it cannot be started.
    """
    process = await anyio.open_process(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment),
        start_new_session=True,
    )  # fmt: skip
    heard, hears = anyio.create_memory_object_stream[_Said](0)
    says, said = anyio.create_memory_object_stream[SessionMessage](0)
    logged = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(_keep, process, log, logged)
        group.start_soon(_receive, process, heard, log, logged, limit)
        group.start_soon(_send, process, said, heard)
        try:
            yield hears, says
        finally:
            # also when whoever waited was cancelled: a server must not outlive the block
            with anyio.CancelScope(shield=True):
                await hears.aclose()
                await _end(process)
                with anyio.move_on_after(_LAST_WORDS_SECONDS):
                    await logged.wait()
                group.cancel_scope.cancel()
                for stream in (heard, says, said):
                    await stream.aclose()


async def _keep(process: anyio.abc.Process, log: TextIO, logged: anyio.Event) -> None:
    """Keep what a server writes to its standard error, up to a bound: it must neither wait nor fill the disk."""
    assert process.stderr is not None
    left = LOG_BYTES
    try:
        with suppress(*_GONE):
            async for piece in process.stderr:
                if left > 0:
                    log.write(piece[:left].decode("utf-8", "replace"))
                    log.flush()
                    left -= len(piece)
    finally:
        logged.set()


async def _receive(
    process: anyio.abc.Process,
    heard: MemoryObjectSendStream[_Said],
    log: TextIO,
    logged: anyio.Event,
    limit: int,
) -> None:
    assert process.stdout is not None
    line = bytearray()
    async with heard:
        with suppress(*_GONE):
            async for piece in process.stdout:
                *whole, rest = piece.split(b"\n")
                for part in whole:
                    await heard.send(_read(bytes(line + part)))
                    line.clear()
                line += rest
                if len(line) > limit:
                    log.write(f"greenloop: it wrote a line of more than {limit} bytes, and was ended\n")
                    log.flush()
                    process.kill()
                    break
        # who hears of the end looks for the last words
        with anyio.move_on_after(_LAST_WORDS_SECONDS):
            await logged.wait()


async def _send(
    process: anyio.abc.Process, said: MemoryObjectReceiveStream[SessionMessage], heard: MemoryObjectSendStream[_Said]
) -> None:
    assert process.stdin is not None
    try:
        async with said:
            async for one in said:
                text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(text.encode() + b"\n")
    except (*_GONE, OSError):
        # nobody must wait for the answer to what was not sent
        await heard.aclose()


def _read(line: bytes) -> _Said:
    """Return a message; what is none, as the error that it is, for the session to tell."""
    try:
        return SessionMessage(mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _end(process: anyio.abc.Process) -> None:
    """End a server: by closing its input, then by signals."""
    assert process.stdin is not None
    with suppress(*_GONE, OSError):
        await process.stdin.aclose()
    for end in (process.terminate, process.kill, None):
        with anyio.move_on_after(_END_SECONDS):
            # not `wait`, which waits for every process that holds the pipes as well
            while process.returncode is None:
                await anyio.sleep(_POLL_SECONDS)
        if process.returncode is not None or end is None:
            break
        with suppress(ProcessLookupError):
            end()
    with anyio.move_on_after(_END_SECONDS):
        await process.aclose()
