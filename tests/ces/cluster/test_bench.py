"""What stands in for repositories and books on a node, and what travels."""

import zlib
from collections.abc import Callable, Mapping

import pytest

from greenloop.ces.cluster.bench import Quarantined, RelayQuarantine, ToldRevisions, told
from greenloop.ces.cluster.messages import Answer, Trouble
from greenloop.ces.revisions import Found as Revision
from greenloop.records import (
    Cancelled,
    EditError,
    EnvironmentFault,
    Evaluation,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Status,
    TreeId,
)
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]


@pytest.mark.parametrize("project", ["project-1f", "a@b-1f"])
def test_a_told_revision_is_its_tree_and_keeps_its_project(store: TreeStore, write: Write, project: str) -> None:
    found = Revision("name", "c0ffee", write({"a": "1"}), project)
    again = ToldRevisions(store).find(told(found))
    assert (again.tree, again.commit, again.project) == (found.tree, found.commit, project)


def test_a_tree_that_was_not_shipped_is_no_revision(store: TreeStore) -> None:
    with pytest.raises(InputError, match="no such tree"):
        ToldRevisions(store).find(told(Revision("", "c0ffee", "0" * 40, "")))


def test_only_what_a_node_found_itself_is_relayed() -> None:
    relay = RelayQuarantine()
    relay.learn("tools", "p", ["old"])
    relay.add_quarantine("tools", "p", ["new"], "passed, failed")
    assert relay.quarantine("tools", "p") == {"old", "new"}
    assert relay.drain() == (Quarantined("tools", "p", ("new",), "passed, failed"),)
    assert relay.drain() == ()


@pytest.mark.parametrize(("error", "kind"), [
    (Cancelled("c"), Cancelled),
    (InputError("i", "way"), InputError),
    (EditError("e", "way", reason="no-match"), InputError),
    (Overloaded("o", "way", retry_after=3), Overloaded),
    (InfrastructureError("f", "way"), InfrastructureError),
    (EnvironmentFault("w", "way"), EnvironmentFault),
])  # fmt: skip
def test_errors_arrive_as_what_they_are(error: GreenloopError, kind: type[GreenloopError]) -> None:
    arrived = Trouble.of(error).error()
    assert type(arrived) is kind
    assert arrived.message.startswith(error.message)
    assert arrived.way_out == error.way_out


def test_an_answer_of_the_longest_log_travels_with_its_reply() -> None:
    log = "\n".join(f'File "lib/m{number}.ml", line {number}: \udcff Error: unbound value' for number in range(4000))
    answer = Answer.of(Evaluation(id="1", status=Status.RED), log, ())
    assert len(answer.packed) < 100_000 < len(log)
    assert answer.open() == (Evaluation(id="1", status=Status.RED), log)
    assert zlib.decompress(answer.packed)
