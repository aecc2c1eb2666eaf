"""What leaves the process: by default nothing."""

from urllib.parse import urlsplit

from pydantic import field_validator

from greenloop.aid.loopback import loopback
from greenloop.records import Part


class MetricsSettings(Part):
    """Who may read metrics, beside `greenloop metrics`. Neither prompts nor code nor paths are in them."""

    prometheus: str = ""
    """`HOST:PORT` of the loopback at which the sidecar serves its metrics for Prometheus; empty: nowhere."""
    otlp: str = ""
    """Address of an OpenTelemetry collector (OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`) to which spans
    are sent; empty: none are made. Needs `greenloop[otlp]`."""

    @field_validator("prometheus")
    @classmethod
    def _on_the_loopback(cls, address: str) -> str:
        host, _, port = address.rpartition(":")
        if address and (not port.isdigit() or not loopback(host)):
            raise ValueError(f'{address!r} is no address of the loopback: write it like "127.0.0.1:9464"')
        return address

    @field_validator("otlp")
    @classmethod
    def _an_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if address and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError(f"{address!r} is no HTTP address")
        return address
