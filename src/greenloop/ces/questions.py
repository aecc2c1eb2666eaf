"""What is asked, in the form in which equal questions are equal: the evaluation's id, and where the edit leads.

The id names what the answer depends on and nothing else. Two spellings of one edit that match equally literally lead
to one tree and so are one question; an edit that does not apply is named by its own text.
"""

import hashlib
import json
from dataclasses import dataclass

from greenloop.records import Edit, EditError, EvaluationRequest, InputError, TreeId
from greenloop.workspace.edits import Applied, apply, check_path, parse_unified
from greenloop.workspace.store import TreeStore

_RULES = 3
"""Goes up when the same verdicts would come to another evaluation, so that what is stored is not taken for it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request with its base found and its edit applied. ``landing`` is why the edit is refused, where it is."""

    id: str
    base: TreeId
    """The tree that the edit changes."""
    landing: Applied | EditError


def read_edit(request: EvaluationRequest) -> Edit:
    """Return the edit, read from the diff where the request brings one. Raises ``EditError``."""
    return request.edit if request.edit is not None else parse_unified(request.diff or "")


def ask(
    store: TreeStore,
    request: EvaluationRequest,
    *,
    warm: TreeId,
    fingerprint: str,
    sandboxed: bool,
    protected: tuple[str, ...],
) -> Question:
    """Return the question that a request puts.

    ``warm`` is the tree of its revision (the base where it names none); ``fingerprint`` that of the engine with the
    request's limits. Raises ``InputError`` when the base is unknown, or a hidden file has no good path.
    """
    base = request.base_tree or warm
    if base not in store:
        raise InputError(f"{base}: no such tree here", "name a revision, or send the tree's pack first")
    landing: Applied | EditError
    try:
        landing = apply(store, base, read_edit(request))
    except EditError as error:
        landing = error
    parts: dict[str, object] = {
        "rules": _RULES,
        "base": base,
        "warm": warm,
        "landing": _name_of(landing, request),
        "suite": request.suite.value,
        "toolchain": fingerprint,
        "sandboxed": sandboxed,
        "protected": protected,
        "allowed": sorted(set(request.allowed)),
        "hidden": _hidden(request),
        "expected": None if request.expected_tests is None else sorted(request.expected_tests),
        "expected_hidden": None if request.expected_hidden is None else sorted(request.expected_hidden),
        "refuse": sorted(set(request.refuse)),
        "repeats": request.repeats,
    }
    return Question(_digest(json.dumps(parts, sort_keys=True)), base, landing)


def _name_of(landing: Applied | EditError, request: EvaluationRequest) -> list[object]:
    if isinstance(landing, Applied):
        return [landing.tree, int(landing.rung)]
    text = request.diff if request.edit is None else request.edit.to_json()
    return [landing.reason, _digest(text or "")]


def _hidden(request: EvaluationRequest) -> list[list[object]]:
    """Name the hidden files by digests alone: an id is public."""
    named: dict[str, list[object]] = {}
    for file in request.hidden:
        if check_path(file.path) in named:
            raise InputError(f"{file.path}: hidden twice", "give each hidden file once")
        named[file.path] = [_digest(file.path), _digest(file.content), file.executable]
    return [named[path] for path in sorted(named)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
