"""The guide names everything that there is, and nothing that there is not."""

import re
from pathlib import Path

from greenloop.ces.backend import Load
from greenloop.ces.scripted import ScriptedBackend
from greenloop.ces.server.app import TABLE
from greenloop.ces.server.metrics import Metrics

GUIDE = (Path(__file__).parents[3] / "docs" / "ces.md").read_text()


def test_every_place_is_in_the_guide() -> None:
    told = set(re.findall(r"`(GET|POST|PUT) ([^`]+)`", GUIDE))
    there = {(entry.operation.method.upper(), entry.operation.path.replace(":path}", "}")) for entry in TABLE}
    assert told == there


def test_every_figure_is_in_the_guide() -> None:
    metrics = Metrics()
    metrics.watch(ScriptedBackend(), Load)
    there = {
        name + ("_total" if kind == "counter" and not name.endswith("_total") else "")
        for name, kind in re.findall(r"# TYPE (\w+) (\w+)", metrics.text().decode())
        if not name.endswith("_created")
    }
    assert set(re.findall(r"`(greenloop_ces_\w+)`", GUIDE)) == there


def test_every_status_is_in_the_guide() -> None:
    told = {int(status) for status in re.findall(r"^\| (\d{3}) \|", GUIDE, re.MULTILINE)}
    there = {status for entry in TABLE for status in entry.operation.problems} | {401, 405, 500}
    assert told == there
