"""JSON-RPC 2.0: requests, notices and answers, as bytes and back. Batches are refused, as they are by language servers.

https://www.jsonrpc.org/specification. The parser is pydantic's own (jiter): it bounds nesting, and refuses lone
surrogates and numbers that JSON does not have.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.faults import Code, number_of
from greenloop.aid.protocol.turns import Fault
from greenloop.records import Refused

Id = int | str
_LONGEST_NAME = 256
"""Characters of a method's name, and of an id."""
_LARGEST_ID = 1 << 53
"""Beyond it numbers differ between the languages of editors."""

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Request:
    """Wants an answer."""

    id: Id
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notice:
    """Wants none."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; ``fault`` is ``None`` where it went well."""

    id: Id | None
    result: Any
    fault: Fault | None = None


Envelope = Request | Notice | Answer


def parse(body: bytes) -> Envelope:
    """Read one message. Raises ``Refused`` when it is none."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(Code.PARSE, f"a message is not JSON in UTF-8: {error}") from error
    if not isinstance(found, dict) or found.get("jsonrpc") != "2.0":
        raise Refused(Code.INVALID, "a message has to be one object of JSON-RPC 2.0; batches are not taken")
    identity = found.get("id")
    if "method" in found:
        method = found["method"]
        if not isinstance(method, str) or not 0 < len(method) <= _LONGEST_NAME:
            raise Refused(Code.INVALID, "the method of a message has to be a name")
        params = found.get("params")
        return Request(_id(identity), method, params) if "id" in found else Notice(method, params)
    if "error" in found:
        return Answer(None if identity is None else _id(identity), None, _fault(found["error"]))
    if "result" in found:
        return Answer(_id(identity), found["result"])
    raise Refused(Code.INVALID, "a message has to have a method, a result or an error")


def read(model: type[M], given: Any, what: str) -> M:
    """Return params or a result as a record; ``None`` stands for no fields. Raises ``Refused`` that names the field."""
    try:
        return model.model_validate_json(to_json({} if given is None else given), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Refused(
            Code.PARAMS, f"{what}: {where + ': ' if where else ''}{first['msg']}", "see protocol/schema.json"
        ) from error


def request(identity: Id, method: str, params: Message) -> bytes:
    """Return a request."""
    return _with(identity, b'"method":%b,"params":%b' % (to_json(method), _json(params)))


def forward(identity: Id, method: str, params: Any) -> bytes:
    """Return a request of somebody else's params, which were read once already."""
    return _with(identity, b'"method":%b,"params":%b' % (to_json(method), to_json(params)))


def notice(method: str, params: Message) -> bytes:
    """Return a notification."""
    return b'{"jsonrpc":"2.0","method":%b,"params":%b}' % (to_json(method), _json(params))


def answer(identity: Id, result: Message) -> bytes:
    """Return the answer of a request that went well."""
    return _with(identity, b'"result":%b' % _json(result))


def refusal(identity: Id | None, fault: Fault) -> bytes:
    """Return the answer of a request that did not; ``None``: it is not known which."""
    told = {"code": number_of(fault.code), "message": str(_sentence(fault)), "data": fault.model_dump(mode="json")}
    return _with(identity, b'"error":%b' % to_json(told))


def _sentence(fault: Fault) -> str:
    return f"{fault.message} ({fault.way_out})" if fault.way_out else fault.message


def _with(identity: Id | None, rest: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,%b}' % (to_json(identity), rest)


def _json(message: Message) -> bytes:
    return message.__pydantic_serializer__.to_json(message)


def _id(found: object) -> Id:
    fine = isinstance(found, str) and len(found) <= _LONGEST_NAME
    if fine or (isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _LARGEST_ID):
        assert isinstance(found, int | str)
        return found
    raise Refused(Code.INVALID, "the id of a request has to be a whole number or a short text")


def _fault(found: object) -> Fault:
    """Return an error as a fault: ours has its name in ``data``, another's has its number and message only."""
    if not isinstance(found, dict):
        raise Refused(Code.INVALID, "an error has to be an object")
    data = found.get("data")
    if isinstance(data, dict) and isinstance(data.get("code"), str):
        way_out = data.get("way_out")
        return Fault(
            code=data["code"], message=str(data.get("message", "")), way_out=way_out if isinstance(way_out, str) else ""
        )
    return Fault(code=str(found.get("code", Code.INTERNAL)), message=str(found.get("message", "")))
