"""Both clients against a service that really serves: what they return, what they raise, what they try again."""

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from greenloop.ces.adapters import verl
from greenloop.ces.adapters.task import EditTask
from greenloop.ces.client import Answer, AsyncClient, Client
from greenloop.ces.desk import Desk
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks, ScriptedBuilds, ScriptedJudge
from greenloop.ces.server import Door, TcpAddress, UnixAddress, in_background
from greenloop.ces.tokens import Tokens
from greenloop.records import (
    Conflict,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Status,
    TreeId,
)

# httpcore forgets to close a Unix socket that it could not connect
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

Serve = Callable[..., Any]
TOKEN = "a-token-for-the-tests-0123456789"


def ask(number: int = 0, *, fresh: bool = False, key: str | None = None) -> EvaluationRequest:
    return EvaluationRequest(revision="main", diff=f"change {number}", fresh=fresh, idempotency_key=key)


class Awaited:
    """The async client behind the methods of the other one, so that one test asks both."""

    def __init__(self, address: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(address, **options)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given: self._loop.run_until_complete(getattr(self._client, name)(*given))

    def batch(self, requests: Sequence[EvaluationRequest]) -> Iterator[tuple[int, Answer]]:
        answers = self._client.batch(requests)
        while True:
            try:
                yield self._loop.run_until_complete(anext(answers))
            except StopAsyncIteration:
                return

    def close(self) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.close()


Connect = Callable[..., Any]


@pytest.fixture(params=[Client, Awaited], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Return a function that opens a client of either kind at an address."""
    kind: Callable[..., Any] = request.param
    with ExitStack() as stack:

        def open_at(address: object, **options: Any) -> Any:
            client = kind(str(address), **options)
            stack.callback(client.close)
            return client

        yield open_at
    gc.collect()


def test_everything_that_the_service_does(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    packs: list[bytes] = []

    def take(path: Path) -> tuple[TreeId, ...]:
        packs.append(path.read_bytes())
        return ("c" * 40,)

    books = ScriptedBooks()
    desk = Desk(ScriptedJudge(), books, ScriptedBuilds({"main": "a" * 40}), fingerprint="f" * 64)
    client = connect(serve(desk, books=books, import_pack=take))
    client.wait_ready()
    told = client.evaluate(ask())
    assert isinstance(told, Evaluation)
    assert told.green
    kept = client.evaluation(told.id)
    assert kept.model_copy(update={"timings": told.timings}) == told
    assert client.log(told.id) == "scripted\n"
    assert client.warm("main").state == "green"
    assert [build.tree for build in client.builds()] == ["a" * 40]
    (tmp_path / "trees.pack").write_bytes(b"PACK")
    assert client.add_pack(tmp_path / "trees.pack") == ("c" * 40,)
    assert packs == [b"PACK"]
    for method, name in (("log", "0" * 64), ("evaluation", "0" * 64), ("warm", "other")):
        with pytest.raises(InputError):
            getattr(client, method)(name)


def test_a_batch_brings_every_item_back(serve: Serve, connect: Connect) -> None:
    def script(request: EvaluationRequest) -> Evaluation | GreenloopError:
        if request.diff == "change 7":
            return InputError("no such tree", "send it")
        # what ends a line for httpx, or for Python, ends none here
        return Evaluation(id="", status=Status.RED, note="one\u2028two\x85three\x0bfour\r\nfive")

    client = connect(serve(ScriptedBackend(script)))
    told = dict(client.batch([ask(number) for number in range(50)]))
    assert sorted(told) == list(range(50))
    error = told.pop(7)
    assert isinstance(error, InputError)
    assert (error.message, error.way_out) == ("no such tree", "send it")
    assert {answer.note for answer in told.values()} == {"one\u2028two\x85three\x0bfour\r\nfive"}
    assert list(client.batch([])) == []


def test_a_long_batch_goes_in_pieces(serve: Serve, connect: Connect) -> None:
    backend = ScriptedBackend()
    client = connect(serve(backend))
    indexes = [index for index, _ in client.batch(ask(number) for number in range(2_500))]
    assert sorted(indexes) == list(range(2_500))
    assert len(backend.asked) == 2_500


@pytest.mark.parametrize(
    "error", [InputError("no such base", "name another"), Conflict("used before"), EnvironmentFault("the disk is gone")]
)
def test_errors_arrive_as_what_they_were(serve: Serve, connect: Connect, error: GreenloopError) -> None:
    backend = ScriptedBackend(lambda _request: error)
    client = connect(serve(backend), tries=2)
    with pytest.raises(type(error)) as told:
        client.evaluate(ask())
    assert error.message in told.value.message
    assert told.value.way_out == error.way_out
    assert told.value.exit_status == error.exit_status
    assert len(backend.asked) == (1 if isinstance(error, InputError) else 2)


class Busy:
    """Refuses the first ``times`` requests."""

    def __init__(self, times: int, error: GreenloopError) -> None:
        self.times = times
        self._error = error

    def __call__(self, _request: EvaluationRequest) -> Status | GreenloopError:
        self.times -= 1
        return self._error if self.times >= 0 else Status.GREEN


def test_a_full_service_is_asked_again_when_it_says(serve: Serve, connect: Connect) -> None:
    busy = Busy(2, Overloaded("full", retry_after=0.3))
    client = connect(serve(ScriptedBackend(busy)), tries=3)
    began = time.monotonic()
    assert client.evaluate(ask()).green
    assert time.monotonic() - began >= 0.6
    busy.times = 3
    with pytest.raises(Overloaded, match="full"):
        client.evaluate(ask())


def test_items_that_a_service_in_trouble_refuses_are_asked_again(serve: Serve, connect: Connect) -> None:
    busy = Busy(3, InfrastructureError("no disk"))
    client = connect(serve(ScriptedBackend(busy)), tries=4)
    told = dict(client.batch([ask(number) for number in range(6)]))
    assert [answer.green for _, answer in sorted(told.items())] == [True] * 6
    busy.times = 10**6
    told = dict(client.batch([ask(number) for number in range(3)]))
    assert sorted(told) == [0, 1, 2]
    assert all(isinstance(answer, InfrastructureError) for answer in told.values())


def test_a_token_opens_the_door(serve: Serve, connect: Connect) -> None:
    address = serve(tokens=Tokens({"ann": TOKEN}))
    assert isinstance(address, TcpAddress)
    assert connect(address, token=TOKEN).evaluate(ask()).green
    with pytest.raises(InputError, match="token"):
        connect(address).evaluate(ask())


def test_verl_sends_a_token_of_the_services_own_file(serve: Serve, tmp_path: Path) -> None:
    address = serve(tokens=Tokens({"ann": TOKEN}))
    (tmp_path / "tokens").write_text(f"# of the trainers\nann {TOKEN}\n")
    task = EditTask.of(ask()).to_json()
    reply = "a.ml\n<<<<<<< SEARCH\n=======\nlet x = 1\n>>>>>>> REPLACE\n"
    scoring = verl.compute_score("us", reply, task, address=str(address), token_file=str(tmp_path / "tokens"))
    assert asyncio.run(scoring)["status"] == "green"


def test_nobody_there_and_somebody_else_there(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="no evaluation service answers") as told:
        connect(tmp_path / "ces.sock", tries=2).evaluate(ask())
    assert "greenloop ces serve" in told.value.way_out
    with pytest.raises(EnvironmentFault):
        connect(tmp_path / "ces.sock").wait_ready(0.2)
    with canned(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello") as url:
        with pytest.raises(EnvironmentFault, match="not an evaluation service"):
            connect(url).evaluate(ask())
        with pytest.raises(EnvironmentFault, match="not an evaluation service"):
            list(connect(url).batch([ask()]))
        with pytest.raises(EnvironmentFault, match="not an evaluation service"):
            connect(url).builds()


@contextmanager
def answering(converse: Callable[[socket.socket], None]) -> Iterator[str]:
    """Hold a conversation with whoever connects, and hang up; yields a URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()
        listener.settimeout(0.1)
        threads: list[threading.Thread] = []
        open_now: list[socket.socket] = []

        def talk(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                converse(connection)

        def work() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    connection.settimeout(20)
                    open_now.append(connection)
                    threads.append(threading.Thread(target=talk, args=(connection,)))
                    threads[-1].start()

        accepting = threading.Thread(target=work)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            accepting.join()
            for connection in open_now:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def canned(answer: bytes) -> AbstractContextManager[str]:
    """Serve something that is no evaluation service."""

    def converse(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(1 << 20)
        time.sleep(0.05)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    return answering(converse)


def losing(address: UnixAddress, after: int) -> AbstractContextManager[str]:
    """Relay to a service, and cut the first two connections before so many pieces of an answer have passed."""
    cuts = [True, True]

    def pump(source: socket.socket, target: socket.socket, pieces: int) -> None:
        with suppress(OSError):
            while pieces and (data := source.recv(400)):
                pieces -= 1
                if pieces:
                    target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def converse(client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(address.path))
            asking = threading.Thread(target=pump, args=(client, inner, -1))
            asking.start()
            pump(inner, client, after if cuts and cuts.pop() else -1)
            asking.join()

    return answering(converse)


def test_a_lost_connection_is_tried_again_and_nothing_is_judged_twice(serve: Serve, connect: Connect) -> None:
    judge, books = ScriptedJudge(), ScriptedBooks()
    desk = Desk(judge, books, ScriptedBuilds(), fingerprint="")
    address = serve(desk, books=books)
    with losing(address, after=2) as relay:
        assert connect(relay).evaluate(ask(1, fresh=True)).green
    assert len(judge.asked) == 1, "the answer was lost, not the judgement"
    with losing(address, after=3) as relay:
        told = dict(connect(relay).batch([ask(number) for number in range(2, 40)]))
    assert sorted(told) == list(range(38))
    assert len(judge.asked) == 39


def test_a_service_that_restarts_is_waited_for(tmp_path: Path, connect: Connect) -> None:
    address = UnixAddress(tmp_path / "s" / "ces.sock")

    def door() -> Door:
        return Door(backend=ScriptedBackend(), shelf=ScriptedBooks(), import_pack=lambda _path: (), scratch=tmp_path)

    told: list[Evaluation] = []
    client = connect(address.path)
    with in_background(door(), address):
        assert client.evaluate(ask()).green
    waiting = threading.Thread(target=lambda: told.append(client.evaluate(ask(1))))
    waiting.start()
    time.sleep(0.3)
    with in_background(door(), address):
        waiting.join(20)
    assert [one.status for one in told] == [Status.GREEN]


def test_a_cancelled_task_kills_its_work(serve: Serve) -> None:
    judge = ScriptedJudge(seconds=60)
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="")
    address = serve(desk)

    async def play() -> None:
        async with AsyncClient(address.path) as client:
            tasks = [asyncio.create_task(client.evaluate(ask(number))) for number in range(2)]
            async with asyncio.timeout(10):
                while judge.working < 2:
                    await asyncio.sleep(0.01)
                tasks[0].cancel()
                while judge.working == 2:
                    await asyncio.sleep(0.01)
                assert judge.working == 1, "the other one's work goes on"
                tasks[1].cancel()
                while judge.working:
                    await asyncio.sleep(0.01)

    asyncio.run(play())
    assert judge.killed == 2


def test_an_iteration_that_is_left_ends_its_batch(serve: Serve) -> None:
    judge = ScriptedJudge(seconds=lambda request: 0.0 if request.diff == "change 0" else 60.0)
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="")
    address = serve(desk)
    with Client(address.path) as client:
        answers = client.batch([ask(number) for number in range(10)])
        assert next(answers)[0] == 0
        answers.close()  # type: ignore[attr-defined]
        end = time.monotonic() + 5
        while judge.working or desk.load().queued:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_many_clients_at_once(serve: Serve) -> None:
    judge, books = ScriptedJudge(seconds=0.005), ScriptedBooks()
    desk = Desk(judge, books, ScriptedBuilds(), fingerprint="", workers=4, queue=8)
    address = serve(desk, books=books)

    async def one(number: int) -> int:
        async with AsyncClient(address.path, tries=60) as client:
            told = await asyncio.gather(*(client.evaluate(ask(1000 * number + turn)) for turn in range(4)))
            return sum(answer.green for answer in told)

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(16)))

    assert asyncio.run(all_of_them()) == [4] * 16
    assert len(judge.asked) == 64
