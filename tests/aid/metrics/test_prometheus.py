"""What Prometheus is told, and who may ask."""

import http.client

import pytest
from tests.aid.metrics.conftest import Event

from greenloop.aid.metrics.prometheus import Exporter, PrometheusSink
from greenloop.aid.metrics.settings import MetricsSettings
from greenloop.records import EnvironmentFault, InputError
from greenloop.records.funnel import Step


def asked(port: int, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_events_are_counted(event: Event) -> None:
    sink = PrometheusSink()
    sink.note(event(Step.SHOWN, kind="fix", hunks=3))
    sink.note(event(Step.ACCEPTED, kind="fix", hunks=2))
    sink.note(event(Step.APPLIED, rung=1))
    sink.note(event(Step.ENDED, outcome="cancelled", first_token_ms=40.0, total_ms=900.0))
    text = sink.text().decode()
    for line in (
        'greenloop_aid_steps_total{kind="fix",step="shown"} 1.0',
        'greenloop_aid_hunks_total{step="shown"} 3.0',
        'greenloop_aid_hunks_total{step="accepted"} 2.0',
        'greenloop_aid_applied_total{rung="1"} 1.0',
        'greenloop_aid_turns_total{fault="",outcome="cancelled"} 1.0',
        'greenloop_aid_seconds_bucket{le="0.05",outcome="cancelled",until="first_token"} 1.0',
        'greenloop_aid_seconds_sum{outcome="cancelled",until="total"} 0.9',
    ):
        assert line in text


def test_two_registries_are_two(event: Event) -> None:
    one, other = PrometheusSink(), PrometheusSink()
    one.note(event(Step.SHOWN, kind="ask"))
    assert b'step="shown"' not in other.text()


def test_the_page_is_this_machines_alone(event: Event) -> None:
    sink = PrometheusSink()
    sink.note(event(Step.SHOWN, kind="fix"))
    exporter = Exporter(sink, "127.0.0.1:0")
    try:
        status, body = asked(exporter.port, f"127.0.0.1:{exporter.port}")
        assert status == 200
        assert b"greenloop_aid_steps_total" in body
        assert asked(exporter.port, f"localhost:{exporter.port}")[0] == 200
        status, body = asked(exporter.port, f"evil.example.org:{exporter.port}")
        assert status == 421
        assert b"greenloop_aid" not in body
        with pytest.raises(EnvironmentFault, match="choose another port"):
            Exporter(sink, f"127.0.0.1:{exporter.port}")
    finally:
        exporter.close()


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "example.org:80", "127.0.0.1", ":9464", "127.0.0.1:x"])
def test_only_the_loopback_is_served(address: str) -> None:
    with pytest.raises(InputError, match="no address of the loopback"):
        Exporter(PrometheusSink(), address)
    with pytest.raises(ValueError, match="no address of the loopback"):
        MetricsSettings(prometheus=address)
