"""The service over two real nodes of Ray, with real dune: the node that judges is lost in the middle of a batch."""

import subprocess
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tests.ces.cluster.conftest import Cluster, two_nodes

from greenloop.ces.cluster.placement import ranked
from greenloop.records import Evaluation, EvaluationRequest, Suite

pytestmark = pytest.mark.e2e
_EDITS = 40


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with two_nodes() as nodes:
        yield nodes


def on_beta(project: Any) -> None:
    """Change the project until it belongs to the second node."""
    git = ("git", "-C", str(project.root))
    for number in range(64):
        tree = subprocess.run([*git, "rev-parse", "HEAD^{tree}"], capture_output=True, text=True, check=True)
        if ranked(tree.stdout.strip(), ("alpha", "beta"))[0] == "beta":
            return
        (project.root / "salt").write_text(f"{number}\n")
        subprocess.run([*git, "add", "salt"], check=True)
        subprocess.run([*git, "commit", "-qm", "salt"], check=True)
    raise AssertionError("no tree belongs to beta")


def test_a_node_that_is_lost_in_a_batch_costs_no_answer(cluster: Cluster, ces: Any, project: Any) -> None:
    on_beta(project)
    server = ces("--ray", cluster.address)
    asked = [
        EvaluationRequest(revision="HEAD", diff=project.diff(f"let twice x = x + x + {number}"), suite=Suite.CHECK)
        for number in range(_EDITS)
    ]
    answers: dict[int, Evaluation] = {}
    for index, answer in server.client.batch(asked):
        assert isinstance(answer, Evaluation), answer
        assert index not in answers, "answered twice"
        answers[index] = answer
        if len(answers) == 8:
            beta = cluster.start_beta()
            actors = [child.pid for pid in beta.pids for child in psutil.Process(pid).children(recursive=True)]
            beta.kill(*actors)
    assert sorted(answers) == list(range(_EDITS))
    assert {answer.status for answer in answers.values()} == {"green"}
    ids = {answer.id for answer in answers.values()}
    assert len(ids) == _EDITS
    # what was answered before is in the books; the other node judged the rest
    again = [server.client.evaluate(request) for request in asked[:3]]
    assert all(answer.seen_before for answer in again)
    metrics = {line.split()[0]: float(line.split()[1]) for line in server.metrics().splitlines() if line[:1] != "#"}
    assert metrics["greenloop_ces_retries_total"] >= 1, "nothing was at work on the node that was lost"
