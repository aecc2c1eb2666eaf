"""The backend over two real nodes: where requests go, and what is left when an actor or a node dies in mid-batch."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from greenloop.ces.cluster.backend import RayBackend
from greenloop.ces.cluster.bench import told
from greenloop.ces.cluster.placement import ranked
from greenloop.ces.cluster.scripted import FINGERPRINT, ScriptedBench
from greenloop.ces.cluster.terms import Terms
from greenloop.ces.quarantine import MemoryQuarantine
from greenloop.ces.revisions import Found as Revision
from greenloop.ces.scripted import ScriptedBooks, scripted_id
from greenloop.records import (
    Edit,
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    InputError,
    Overloaded,
    Status,
    TreeId,
    WriteFile,
)
from greenloop.workspace.store import TreeStore

# Ray warns of what it will do one day, and leaves sockets to the collector
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

Write = Callable[[Mapping[str, str]], TreeId]


@dataclass
class Lab:
    """The head's parts, and a script for the nodes."""

    address: str
    store: TreeStore
    folder: Path
    trees: dict[str, TreeId]
    bench: ScriptedBench
    books: ScriptedBooks = field(default_factory=ScriptedBooks)
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    terms: Terms = field(default_factory=lambda: Terms(folder=Path()))

    def find(self, revision: str) -> Revision:
        """Be the head's revisions."""
        if revision not in self.trees:
            raise InputError(f"{revision}: no such revision")
        return Revision("project", "c0ffee", self.trees[revision], "project")

    def key(self, request: EvaluationRequest) -> str:
        """Be the head's worker: its ids do not depend on how a revision is called."""
        if request.revision is None:
            return scripted_id(request)
        name = told(self.find(request.revision))
        return scripted_id(request.model_copy(update={"revision": name}))

    @asynccontextmanager
    async def backend(self, **terms: Any) -> AsyncIterator[RayBackend]:
        """Start a backend; all its actors end with it."""
        backend = RayBackend(
            self.bench,
            address=self.address,
            fingerprint=FINGERPRINT,
            store=self.store,
            revisions=self,
            key=self.key,
            books=self.books,
            quarantine=self.quarantine,
            terms=replace(self.terms, folder=self.folder / "nodes", **terms),
        )
        try:
            await backend.start()
            yield backend
        finally:
            await backend.close()

    def at(self, what: str) -> list[tuple[str, str]]:
        """Return (actor, about) of the journal's events of one kind."""
        return [(event.actor, event.about) for event in self.bench.events() if event.what == what]

    def home(self, revision: str) -> tuple[str, ...]:
        """Return the nodes in the order of a revision's choice."""
        return ranked(self.trees[revision], ["alpha", "beta"])

    def revision_of(self, node: str) -> str:
        """Return a revision whose first choice is ``node``."""
        return next(revision for revision in self.trees if self.home(revision)[0] == node)

    def actor_pid(self, node: str) -> int:
        """Return the process of a node's actor, the one that opened last."""
        return [event.pid for event in self.bench.events() if event.what == "open" and event.actor == node][-1]


@pytest.fixture
def lab(cluster: Any, tmp_path: Path, store: TreeStore, write: Write) -> Lab:
    cluster.start_beta()
    trees = {f"project@r{number}": write({"a.ml": f"let x = {number}\n"}) for number in range(8)}
    return Lab(cluster.address, store, tmp_path, trees, ScriptedBench(tmp_path / "journal"))


def request(revision: str, text: str, **more: Any) -> EvaluationRequest:
    return EvaluationRequest(revision=revision, edit=Edit(files=(WriteFile(path="b.ml", content=f"{text}\n"),)), **more)


async def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that other processes do."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


def all_once(lab: Lab, texts: list[str], answers: list[Evaluation]) -> None:
    """Nothing lost, nothing judged twice, and everything in the books."""
    assert [answer.status for answer in answers] == [Status.RED if "red" in text else Status.GREEN for text in texts]
    assert Counter(about for _, about in lab.at("end")) == Counter(texts)
    assert len(lab.books) == len(texts)
    assert all(lab.books.log(answer.id) == f"{text}\n" for text, answer in zip(texts, answers, strict=True))


def test_requests_go_where_their_revision_is_and_are_answered_once(lab: Lab) -> None:
    revisions = [lab.revision_of("alpha"), lab.revision_of("beta")]
    texts = [f"{'red' if number % 3 == 0 else 'fine'} {number}" for number in range(12)]

    async def run() -> tuple[list[Evaluation], list[Evaluation], RayBackend]:
        async with lab.backend() as backend:
            asked = [request(revisions[number % 2], text) for number, text in enumerate(texts)]
            first = await asyncio.gather(*(backend.evaluate(one) for one in asked))
            again = await asyncio.gather(*(backend.evaluate(one) for one in asked))
            warmed = await backend.warm(revisions[0])
            assert (warmed.revision, warmed.state) == (revisions[0], "green")
            # as the actors last told: each tells it with its next sign of life
            await until(lambda: {build.revision for build in backend.builds()} == set(revisions))
            held = {build.revision: build for build in backend.builds()}
            assert {held[one].tree for one in revisions} == {lab.trees[one] for one in revisions}
            with pytest.raises(InputError, match="no such revision"):
                await backend.evaluate(request("project@nowhere", "x"))
            assert backend.fleet.nodes() == {"alpha": "live", "beta": "live"}
            return first, again, backend

    first, again, backend = asyncio.run(run())
    all_once(lab, texts, first)
    assert all(answer.seen_before for answer in again)
    assert backend.fleet.tally.deaths == 0, backend.fleet.tally
    where = {about: actor for actor, about in lab.at("end")}
    assert [where[text] for text in texts] == ["alpha", "beta"] * 6
    assert len(lab.at("warm")) == 2
    assert backend.fleet.tally.shipped == 2, "a tree is shipped to a node once"
    assert sorted(lab.at("close")) == [("alpha", ""), ("beta", "")]


def test_a_red_checkout_is_shipped_beside_its_revision(lab: Lab, write: Write) -> None:
    base = write({"a.ml": "let x = oops\n", "deep/c.ml": "let y = 1\n"})

    async def run() -> None:
        async with lab.backend() as backend:
            answer = await backend.evaluate(request("project@r0", "fine", base_tree=base))
            assert answer.green
            alone = EvaluationRequest(base_tree=base, edit=Edit(files=(WriteFile(path="b.ml", content="fine too"),)))
            assert (await backend.evaluate(alone)).green

    asyncio.run(run())
    node = lab.at("end")[0][0]
    assert TreeStore(lab.folder / "nodes" / node / "trees").read(base, "deep/c.ml") == b"let y = 1\n"


DONE = [*(f"fine {number}" for number in range(6)), "red 1"]
AT_WORK = ["slow 1", "slow red 2"]
WAITING = ["fine 7", "red 3"]


async def batch_with_a_death(lab: Lab, backend: RayBackend, kill: Callable[[int], None]) -> list[Evaluation]:
    """Judge at beta, and kill there when some are answered, some at work, and some wait behind those."""
    revision = lab.revision_of("beta")

    def judge(texts: list[str]) -> "asyncio.Future[list[Evaluation]]":
        return asyncio.gather(*(backend.evaluate(request(revision, text)) for text in texts))

    answers = await judge(DONE)
    at_work = judge(AT_WORK)
    await until(lambda: {about for _, about in lab.at("begin")} == {*DONE, *AT_WORK})
    waiting = judge(WAITING)
    await until(lambda: backend.load().running == len(AT_WORK) + len(WAITING))
    assert {actor for actor, _ in lab.at("begin")} == {"beta"}
    kill(lab.actor_pid("beta"))
    answers += await at_work + await waiting
    assert {about for actor, about in lab.at("end") if actor == "beta"} == set(DONE)
    assert {about for actor, about in lab.at("end") if actor == "alpha"} == {*AT_WORK, *WAITING}
    assert backend.fleet.tally.judged == len(answers)
    assert backend.load().retries == backend.fleet.tally.lost == len(AT_WORK) + len(WAITING)
    return answers


def test_a_killed_actor_loses_nothing_and_comes_back(lab: Lab) -> None:
    lab.bench = replace(lab.bench, slow_seconds=3.0)

    async def run() -> list[Evaluation]:
        async with lab.backend() as backend:
            answers = await batch_with_a_death(lab, backend, lambda pid: os.kill(pid, signal.SIGKILL))
            await until(lambda: backend.fleet.nodes()["beta"] == "live")
            late = await backend.evaluate(request(lab.revision_of("beta"), "late"))
            assert late.note.startswith("judged by beta")
            return [*answers, late]

    all_once(lab, [*DONE, *AT_WORK, *WAITING, "late"], asyncio.run(run()))
    assert [actor for actor, _ in lab.at("open")].count("beta") == 2


def test_a_killed_node_loses_nothing_and_may_come_back(lab: Lab, cluster: Any) -> None:
    lab.bench = replace(lab.bench, slow_seconds=3.0)

    async def run() -> list[Evaluation]:
        async with lab.backend() as backend:
            answers = await batch_with_a_death(lab, backend, cluster.beta.kill)
            await until(lambda: set(backend.fleet.nodes()) == {"alpha"})
            cluster.start_beta()
            await until(lambda: backend.fleet.nodes() == {"alpha": "live", "beta": "live"})
            late = await backend.evaluate(request(lab.revision_of("beta"), "late"))
            assert late.note.startswith("judged by beta")
            return [*answers, late]

    all_once(lab, [*DONE, *AT_WORK, *WAITING, "late"], asyncio.run(run()))


def test_what_nobody_waits_for_is_killed_at_its_actor(lab: Lab) -> None:
    lab.bench = replace(lab.bench, seconds=60)
    revision = lab.revision_of("beta")

    async def run() -> None:
        async with lab.backend() as backend:
            tasks = {
                f"fine {n}": asyncio.create_task(backend.evaluate(request(revision, f"fine {n}"))) for n in range(4)
            }
            await until(lambda: len(lab.at("begin")) == 2 and backend.load().running == 4)
            at_work = {about for _, about in lab.at("begin")}
            for text in tasks.keys() - at_work:
                tasks[text].cancel()
            # what waits for its turn is let go of at once, and those at work are none the worse
            await until(lambda: backend.load().running == 2)
            assert lab.at("killed") == []
            for text in at_work:
                tasks[text].cancel()
            await until(lambda: backend.load().running == 0)
            assert {about for _, about in lab.at("killed")} == at_work
            assert {about for _, about in lab.at("begin")} == at_work
            assert backend.fleet.nodes()["beta"] == "live"
            assert backend.load().cancellations == 4

    asyncio.run(run())
    assert lab.at("end") == []
    assert len(lab.at("open")) == 2, "no actor was ended for it"


def test_a_full_actor_spills_to_its_second_choice_and_no_further(lab: Lab) -> None:
    lab.bench = replace(lab.bench, seconds=1.0)
    revision = lab.revision_of("beta")
    texts = [f"fine {number}" for number in range(8)]

    async def run() -> list[Evaluation | BaseException]:
        async with lab.backend(queue=1) as backend:
            asked = (backend.evaluate(request(revision, text)) for text in texts)
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert backend.fleet.tally.spilled == 3
            return answers

    answers = asyncio.run(run())
    # two judged and one waiting at each of two actors
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert len(refused) == 2
    assert refused[0].retry_after > 0
    assert Counter(actor for actor, _ in lab.at("end")) == {"alpha": 3, "beta": 3}
    events = [(event.what, event.actor) for event in lab.bench.events()]
    assert events.index(("warm", "alpha")) < events.index(("begin", "alpha"))


def test_a_fault_of_one_machine_is_tried_on_the_other_and_is_never_red(lab: Lab) -> None:
    async def run() -> Evaluation:
        async with lab.backend() as backend:
            return await backend.evaluate(request("project@r0", "broken"))

    answer = asyncio.run(run())
    assert answer.status is Status.INFRA_ERROR
    assert "the disk is full" in answer.note
    assert {actor for actor, _ in lab.at("end")} == {"alpha", "beta"}
    assert len(lab.books) == 0


def test_flaky_tests_that_a_node_finds_come_to_the_books(lab: Lab) -> None:
    async def run() -> None:
        async with lab.backend() as backend:
            assert (await backend.evaluate(request("project@r0", "flaky"))).green

    asyncio.run(run())
    assert lab.quarantine.quarantine(FINGERPRINT, "") == {"a flaky test"}


def test_a_node_that_cannot_judge_or_has_other_tools_is_left_out(lab: Lab) -> None:
    lab.bench = replace(lab.bench, refuses=("beta",))

    async def run(first: str) -> None:
        async with lab.backend() as backend:
            answer = await backend.evaluate(request(lab.revision_of(first), f"fine, not {first}"))
            assert answer.green
            assert backend.fleet.nodes()[first].startswith("refused: ")

    asyncio.run(run("beta"))
    lab.bench = replace(lab.bench, refuses=(), strangers=("beta",))
    asyncio.run(run("beta"))
    assert {actor for actor, _ in lab.at("end")} == {"alpha"}


def test_a_cluster_where_no_node_can_judge_does_not_start(lab: Lab) -> None:
    lab.bench = replace(lab.bench, refuses=("alpha",), strangers=("beta",))

    async def run() -> None:
        async with lab.backend():
            pytest.fail("it started")

    with pytest.raises(InfrastructureError, match=r"alpha: .*seccomp.*beta: its tools"):
        asyncio.run(run())


def test_a_cluster_that_is_not_there_is_named(lab: Lab) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        lab.address = f"127.0.0.1:{free.getsockname()[1]}"

    async def run() -> None:
        async with lab.backend():
            pytest.fail("it started")

    with pytest.raises(InfrastructureError, match="no Ray cluster answers"):
        asyncio.run(run())
