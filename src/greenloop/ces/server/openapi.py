"""The OpenAPI document, made from the table of operations and the records: nothing is described twice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from greenloop.ces.wire import PROBLEM, TITLES, Problem
from greenloop.records import EvaluationRequest, Record, Suite

_REF = "#/components/schemas/"
_PARAMETERS: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "pattern": "^[0-9a-f]{8,64}$"},
    "revision": {"type": "string", "minLength": 1},
}


@dataclass(frozen=True)
class Operation:
    """One thing that the service does."""

    method: str
    path: str
    """As Starlette writes it, converters included."""
    summary: str
    takes: Mapping[str, object] = field(default_factory=dict)
    """Media type → model of the body; ``bytes`` for anything, ``list[Model]`` for an array."""
    answers: Mapping[int, tuple[str, object]] = field(default_factory=dict)
    """Status → (media type, model)."""
    problems: tuple[int, ...] = ()
    """Statuses of the problems that may come back, 401 and 500 aside."""
    open: bool = False
    """Whether it needs no token."""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    paths: dict[str, Any] = {}
    for operation in operations:
        path = operation.path.replace(":path}", "}")
        paths.setdefault(path, {})[operation.method] = _operation(operation, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Greenloop's code evaluation service",
            "summary": "Says whether an edit is good code: it parses, type-checks, builds, passes the tests.",
            "version": version("greenloop"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    summary, _, rest = operation.summary.strip().partition("\n")
    name = path.strip("/").replace("/", "_").replace(":", "_").replace("{", "").replace("}", "").replace(".", "_")
    described: dict[str, Any] = {"operationId": f"{operation.method}_{name}", "summary": summary}
    if rest.strip():
        described["description"] = " ".join(rest.split())
    names = [part.split("}")[0] for part in path.split("{")[1:]]
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in names
        ]
    if operation.takes:
        content = {kind: {"schema": _schema(model)} for kind, model in operation.takes.items()}
        described["requestBody"] = {"required": True, "content": content}
    answers: dict[str, Any] = {
        str(status): {"description": TITLES.get(status, "Done"), "content": {kind: {"schema": _schema(model)}}}
        for status, (kind, model) in operation.answers.items()
    }
    refusals = {*operation.problems, 500, *(() if operation.open else (401,))}
    for status in sorted(refusals):
        answers[str(status)] = {
            "description": TITLES[status],
            "content": {PROBLEM: {"schema": _schema(Problem)}},
        }
        if status in {429, 503}:
            header = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
            answers[str(status)]["headers"] = {"Retry-After": header}
    described["responses"] = answers
    if operation.open:
        described["security"] = []
    return described


def _schema(model: object) -> dict[str, Any]:
    if model is bytes:
        return {}
    if model is str:
        return {"type": "string"}
    if model is dict:
        return {"type": "object"}
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {"$ref": _REF + model.__name__}
    (inner,) = get_args(model)
    return {"type": "array", "items": _schema(inner)}


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the schemas of all models that are taken or answered, and of what they hold."""
    models: dict[type[BaseModel], JsonSchemaMode] = {
        model: "validation" for operation in operations for model in _models(operation.takes.values())
    }
    for operation in operations:
        for model in _models(model for _, model in operation.answers.values()):
            models[model] = "serialization"
    models[Problem] = "serialization"
    _, definitions = models_json_schema(
        list(models.items()),
        ref_template=_REF + "{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    for model in models:
        if issubclass(model, Record):
            own = schemas[model.__name__]
            own["properties"]["record"] = {"const": model.__name__, "description": "Which record this is."}
            own["properties"]["version"] = {"const": model.VERSION, "description": "The record's version."}
    for schema in schemas.values():
        # what tells the kinds of one thing apart has a default in the record, and is needed over the wire
        if "const" in schema.get("properties", {}).get("kind", {}):
            schema["required"] = sorted({*schema.get("required", ()), "kind"})
    _complete_request(schemas[EvaluationRequest.__name__])
    return schemas


def _complete_request(request: dict[str, Any]) -> None:
    """Say what the record's validators hold and its fields do not show."""
    request["properties"]["stages"] = {
        "description": "In the place of `suite`: all stages up to the last that is wanted.",
        "enum": [[stage.value for stage in suite.stages] for suite in Suite],
    }
    given = [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("edit", "diff")]
    based = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in ("revision", "base_tree")
    ]
    request["allOf"] = [{"oneOf": given}, {"anyOf": based}, {"not": {"required": ["stages", "suite"]}}]


def _models(found: object) -> Iterator[type[BaseModel]]:
    assert not isinstance(found, str)
    for model in found:  # type: ignore[attr-defined]
        for one in (model, *get_args(model)):
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield one
