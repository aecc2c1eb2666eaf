"""Programs that write too much: each writes a bounded amount, so that a mistake here does no harm."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

import anyio

from greenloop.aid.tools import stdio
from greenloop.aid.tools.stdio import bounded_stdio

FLOOD = "import os\nfor _ in range(64):\n    os.write({where}, b'x' * (1 << 20))\n"
ANSWER = 'print(\'{"jsonrpc": "2.0", "id": 1, "result": {}}\', flush=True)\ninput()\n'


def heard(code: str, log: Path, limit: int) -> list[object]:
    """Return what a program says until it ends, or says one thing."""

    async def run() -> list[object]:
        with TextIOWrapper(log.open("wb"), encoding="utf-8") as file, anyio.fail_after(120):
            async with bounded_stdio((sys.executable, "-c", code), os.environ, file, limit=limit) as (hears, _):
                async for one in hears:
                    return [one]
        return []

    return anyio.run(run)


def test_a_line_without_an_end_ends_the_server(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert heard(FLOOD.format(where=1), log, limit=1 << 20) == []
    assert "more than 1048576 bytes" in log.read_text()


def test_what_fills_the_log_is_dropped_and_the_server_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (said,) = heard(FLOOD.format(where=2) + ANSWER, log, limit=1 << 20)
    assert not isinstance(said, Exception)
    assert log.stat().st_size <= stdio.LOG_BYTES
