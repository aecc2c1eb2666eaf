"""The OpenAPI document against the service: whatever it allows, or nearly allows, gets an answer that it names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from greenloop.ces.desk import Desk
from greenloop.ces.scripted import ScriptedBooks, ScriptedBuilds, ScriptedJudge
from greenloop.ces.server.app import TABLE, openapi
from greenloop.ces.tokens import Tokens
from greenloop.ces.wire import NDJSON, PACK
from greenloop.records import EditError, EvaluationRequest, GreenloopError, InputError, Status, TreeId

Serve = Callable[..., Any]
TOKEN = "a-token-for-the-tests-0123456789"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OPERATIONS = [(entry.operation.method.upper(), entry.operation.path.replace(":path}", "}")) for entry in TABLE]


@schemathesis.serializer(NDJSON)
def _as_lines(_context: object, value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


@schemathesis.serializer(PACK)
def _as_bytes(_context: object, value: object) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def script(request: EvaluationRequest) -> Status | GreenloopError:
    """Answer in every way that there is, by the request."""
    ends: list[Status | GreenloopError] = [
        *Status,
        InputError("no such tree", "send it"),
        EditError("cannot be read", reason="malformed"),
    ]
    return ends[len(request.to_json()) % len(ends)]


def no_pack(path: Path) -> tuple[TreeId, ...]:
    raise InputError(f"not a whole git pack: {path.stat().st_size} bytes")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_one_that_the_document_names(serve: Serve, method: str, path: str) -> None:
    books = ScriptedBooks()
    desk = Desk(ScriptedJudge(script), books, ScriptedBuilds(), fingerprint="f" * 64)
    address = serve(desk, books=books, tokens=Tokens({"ann": TOKEN}), import_pack=no_pack)
    document = json.loads(openapi())
    operation = schemathesis.openapi.from_dict(document)[path][method]
    takes = document["paths"][path][method.lower()]
    modes = list(GenerationMode) if {"requestBody", "parameters"} & takes.keys() else [GenerationMode.POSITIVE]
    # in a batch, what is wrong with an item is told in its line
    checks = [check for check in CHECKS if not (check is negative_data_rejection and path.endswith(":batch"))]
    statuses: set[int] = set()

    def ask(case: Any) -> None:
        response = case.call(base_url=str(address), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
        case.validate_response(response, checks=checks)
        statuses.add(response.status_code)

    for mode in modes:
        bounded = settings(
            max_examples=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        bounded(given(operation.as_strategy(generation_mode=mode))(ask))()
    assert statuses
    assert 500 not in statuses
