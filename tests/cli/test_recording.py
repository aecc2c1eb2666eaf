"""What the recorder does beside recording: the upkeep that it starts, and its own log."""

import psutil
from tests.cli.conftest import Recorded

from greenloop.cli.app import App
from greenloop.cli.recording import Upkeep


def test_an_upkeep_is_one_process_and_a_long_log_is_put_aside(recorded: Recorded) -> None:
    desk = recorded.desk
    desk.log.write_bytes(b"long\n" * 300_000)
    upkeep = Upkeep(App(recorded.home, None), desk)
    others = set(psutil.Process().children())
    with desk.log.open("ab", buffering=0) as log:
        upkeep.start()
        upkeep.start()
        log.write(b"goes on\n")
    (process,) = set(psutil.Process().children()) - others
    assert process.wait(60) == 0

    assert upkeep.trouble() == ""
    assert "0 entries dropped" in (desk.path / "upkeep.log").read_text()
    assert desk.log.read_bytes() == b"goes on\n"
    assert desk.log.with_suffix(".log.1").stat().st_size == 1_500_000
