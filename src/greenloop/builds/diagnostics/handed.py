"""Diagnostics that a team hands over in a file: lines or an array of ``Diagnostic``, SARIF, or what a tool printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from greenloop.builds.diagnostics.text import clip, distinct, normalise
from greenloop.records import Category, Diagnostic, InputError, Severity, Span

_LEVELS = {"error": Severity.ERROR, "warning": Severity.WARNING, "note": Severity.INFO}
_FAILING = frozenset({"fail", "open", "review"})
_TAIL = 20
"""Lines of a text in which nothing was recognised that are kept all the same."""

_SOURCE_BYTES = 10_000_000
"""A longer file is no source whose columns matter."""

Parse = Callable[[str], tuple[Diagnostic, ...]]


def read_handed(text: str, *, root: Path, parse: Parse, failed: bool) -> tuple[Diagnostic, ...]:
    """Read a file of diagnostics. ``parse`` reads what a tool printed; ``failed``: the build did, for a reason.

    Raises ``InputError`` with one sentence where the text is JSON, and none that is understood.
    """
    stripped = text.lstrip("\ufeff \t\r\n")
    if not stripped:
        return ()
    if not _is_json(stripped):
        return _printed(text, parse, failed=failed)
    try:
        body = json.loads(stripped)
    except ValueError as error:  # beside what is no JSON, a number of thousands of digits
        return distinct(_lines(stripped, error))
    if isinstance(body, dict) and "runs" in body:
        return distinct(_sarif(body, root))
    items = body if isinstance(body, list) else [body]
    return distinct([_validated(item, f"diagnostic {number}") for number, item in enumerate(items, 1)])


def _is_json(text: str) -> bool:
    """Say whether a text is meant as JSON; a line of a log may begin with a bracket, as ``[ERROR]`` does."""
    return text[0] == "{" or (text[0] == "[" and text[1:].lstrip()[:1] in {"{", "]", ""})


def _printed(text: str, parse: Parse, *, failed: bool) -> tuple[Diagnostic, ...]:
    found = parse(text)
    if found or not failed:
        return found
    tail = clip("\n".join(text.strip().splitlines()[-_TAIL:]))
    return (Diagnostic(severity=Severity.ERROR, category=Category.OTHER, message=tail),)


def _lines(text: str, whole: ValueError) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            # of a file that is no JSON lines from its first line on, the error of the whole says more
            where = f"line {number}: {error}" if found else str(whole)
            raise InputError(f"the diagnostics are not JSON: {where}", "was the file cut short?") from error
        found.append(_validated(item, f"line {number}"))
    return found


def _validated(item: object, where: str) -> Diagnostic:
    try:
        return Diagnostic.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"])
        raise InputError(
            f"the diagnostics: {where}: {field or 'record'}: {first['msg']}",
            "each is {severity, category, message, path, span}, or the file is SARIF 2.1.0",
        ) from error


def _sarif(body: dict[str, Any], root: Path) -> list[Diagnostic]:
    """Read SARIF 2.1.0 (OASIS): every result that failed and is not suppressed."""
    version = body.get("version")
    if version != "2.1.0":
        raise InputError(f"the diagnostics are SARIF {version}", "only SARIF 2.1.0 is read")
    found = []
    try:
        for run in body["runs"]:
            rules = {rule["id"]: rule for rule in run.get("tool", {}).get("driver", {}).get("rules", ())}
            for result in run.get("results") or ():
                one = _result(result, rules, run.get("columnKind", "utf16CodeUnits"), root)
                found += [one] if one is not None else []
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise InputError(
            f"the diagnostics are no valid SARIF: result {len(found) + 1}: {error!r:.200}",
            "check the file with a SARIF validator",
        ) from error
    return found


def _result(result: dict[str, Any], rules: dict[str, Any], columns: str, root: Path) -> Diagnostic | None:
    rule = rules.get(result.get("ruleId") or result.get("rule", {}).get("id", ""), {})
    level = result.get("level") or rule.get("defaultConfiguration", {}).get("level", "warning")
    dropped = result.get("suppressions") or result.get("baselineState") == "absent"
    if dropped or level not in _LEVELS or result.get("kind", "fail") not in _FAILING:
        return None
    severity = _LEVELS[level]
    path, span = None, None
    locations = result.get("locations") or ()
    if locations and (place := locations[0].get("physicalLocation")):
        path = _path(place.get("artifactLocation", {}).get("uri", ""), root)
        if path is not None and (region := place.get("region")):
            span = _span(region, columns, root / path)
    return Diagnostic(
        severity=severity,
        category=Category.OTHER if severity is Severity.ERROR else Category.WARNING,
        message=clip(_message(result["message"], rule)),
        path=path,
        span=span,
    )


def _message(message: dict[str, Any], rule: dict[str, Any]) -> str:
    text = message.get("text") or message.get("markdown")
    if text is None:
        strings = rule.get("messageStrings", {})
        text = strings[message["id"]]["text"]
    for number, argument in enumerate(message.get("arguments", ())):
        text = text.replace(f"{{{number}}}", argument)
    return str(text)


def _path(uri: str, root: Path) -> str | None:
    parts = urlsplit(uri)
    if parts.scheme not in {"", "file"}:
        return None
    return normalise(unquote(parts.path), str(root))


def _span(region: dict[str, Any], columns: str, file: Path) -> Span | None:
    """Return a region in bytes: SARIF counts columns from 1, in UTF-16 units or code points, the end exclusive."""
    if "startLine" not in region:
        return None
    line = int(region["startLine"])
    end_line = int(region.get("endLine", line))
    lines = _source(file)

    def offset(number: int, column: int) -> int:
        text = lines[number - 1] if number <= len(lines) else ""
        if columns == "utf16CodeUnits":
            before = text.encode("utf-16-le")[: 2 * (column - 1)].decode("utf-16-le", "ignore")
        else:
            before = text[: column - 1]
        # in a line that is not there, or is shorter, the column stands as it is
        return len(before.encode("utf-8", "replace")) if len(before) or column == 1 else column - 1

    start = offset(line, int(region.get("startColumn", 1)))
    end = region.get("endColumn")
    end_column = offset(end_line, int(end)) if end is not None else start
    if end_line == line:
        end_column = max(start, end_column)
    return Span(line=line, column=start, end_line=end_line, end_column=end_column)


def _source(file: Path) -> list[str]:
    try:
        if file.is_file() and file.stat().st_size <= _SOURCE_BYTES:
            return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        pass
    return []
