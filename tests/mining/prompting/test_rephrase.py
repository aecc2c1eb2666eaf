"""A model's words in the place of the rules': good ones, lies, silence; over real HTTP, and from a script."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from greenloop.mining.example import example_id
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.prompting.few_shot import SHOTS
from greenloop.mining.prompting.form import Length, Style
from greenloop.mining.prompting.rephrase import Rephrased, rephrase
from greenloop.mining.prompting.reply_cache import ReplyCache
from greenloop.mining.prompting.service import Service
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Model, Request
from greenloop.records import Category, Diagnostic, Example, Severity, Span, Suite, TreeId
from greenloop.workspace.edits import edit_between
from greenloop.workspace.store import TreeStore

Write = Callable[[dict[str, str]], TreeId]
SHORT = Distribution(lengths=((Length.SHORT, 1),), styles=((Style.IMPERATIVE, 1),))
GOOD = "pi is unbound, please fix"
DESCRIBED = "area used pi, which is unbound; it uses tau now."


@pytest.fixture
def examples(store: TreeStore, write: Write) -> list[Example]:
    """Twelve fixes of one unbound name, each beside another secret file that no request may show."""
    found = []
    for number in range(12):
        beside = {"notes.txt": f"ask nobody about hunter{number}\n"}
        base = write({"shapes.ml": "let area r = pi *. r\n", **beside})
        target = write({"shapes.ml": "let tau = 6.28\nlet area r = tau *. r\n", **beside})
        error = Diagnostic(
            severity=Severity.ERROR, category=Category.UNBOUND, message="Unbound value pi", path="shapes.ml",
            span=Span(line=1, column=13, end_line=1, end_column=15),
        )  # fmt: skip
        found.append(
            Example(
                id=example_id(base, target, Suite.CHECK),
                workspace="w",
                author="ada",
                time=1.0,
                base=base,
                target=target,
                edit=edit_between(store, base, target),
                prompt="fix that error",
                description="Fix an unbound name.",
                diagnostics=(error,),
                category=Category.UNBOUND,
                changed_lines=3,
                toolchain="t",
                suite=Suite.CHECK,
            )
        )
    return found


@dataclass
class Server:
    """An OpenAI-compatible server whose ``answer`` gives (status, text) for the messages of a request."""

    answer: Callable[[str], tuple[int, str]]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)


Serve = Callable[[Callable[[str], tuple[int, str]]], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Callable[[str], tuple[int, str]]) -> Server:
        made = Server(answer)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                made.bodies.append(body)
                status, text = made.answer(body["messages"][0]["content"])
                choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
                content = json.dumps({"choices": [choice]}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                for byte in content if text == "trickle" else [content]:
                    self.wfile.write(bytes([byte]) if isinstance(byte, int) else byte)
                    self.wfile.flush()
                    time.sleep(0.05 if text == "trickle" else 0)

            def log_message(self, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that gave up waiting is part of the tests

        server = Quiet(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        made.url = f"http://127.0.0.1:{server.server_port}/v1"
        return made

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def honest(system: str) -> tuple[int, str]:
    return 200, DESCRIBED if system.startswith("You describe") else f'"{GOOD}"'


def run(
    model: Model, examples: list[Example], store: TreeStore, kept: Path, **limits: Any
) -> tuple[Rephrased, Service]:
    service = Service(model, ReplyCache(kept, "m"), **{"deadline_seconds": 20.0, **limits})
    with model:
        return rephrase(examples, store, service, SHORT, budget=600), service


def consistent(result: Rephrased, service: Service, examples: list[Example]) -> None:
    """No example is lost, and every request is accounted for once."""
    assert [one.id for one in result.examples] == [one.id for one in examples]
    counts = service.counts
    assert counts.asked - counts.failed == result.descriptions + result.prompts + sum(result.refused.values())
    said = sum(one.prompt != old.prompt for one, old in zip(result.examples, examples, strict=True))
    assert said == result.prompts


def test_good_words_are_taken_and_a_rerun_asks_nothing(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path
) -> None:
    server = serve(honest)
    first, service = run(OpenAIModel(server.url, "m"), examples, store, tmp_path / "kept.jsonl")
    consistent(first, service, examples)
    assert {one.prompt for one in first.examples} == {GOOD}
    assert {one.description for one in first.examples} == {DESCRIBED}
    assert (first.descriptions, first.prompts, service.counts.failed) == (12, 12, 0)
    asked = len(server.bodies)
    # equal requests of examples at once may each be sent
    assert 2 <= asked <= 24
    server.answer = lambda _: (500, "down")
    again, service = run(OpenAIModel(server.url, "m"), examples, store, tmp_path / "kept.jsonl")
    consistent(again, service, examples)
    assert [one.to_json() for one in again.examples] == [one.to_json() for one in first.examples]
    assert (len(server.bodies), service.counts.kept) == (asked, 24)


def test_of_two_answers_to_one_request_the_first_is_kept(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path
) -> None:
    """A server that never says the same twice, asked the same by four threads at once."""
    served = iter(range(1000))
    words = ("pi", "area", "unbound", "value")

    def answer(system: str) -> tuple[int, str]:
        time.sleep(0.05)
        text = DESCRIBED if system.startswith("You describe") else f"please fix {words[next(served) % 4]} in here"
        return 200, text

    server = serve(answer)
    first, _ = run(OpenAIModel(server.url, "m"), examples, store, tmp_path / "kept.jsonl")
    again, _ = run(OpenAIModel("http://127.0.0.1:9/v1", "m"), examples, store, tmp_path / "kept.jsonl")
    assert again == first
    assert first.prompts == 12


def test_requests_carry_what_the_example_holds_alone(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path
) -> None:
    server = serve(honest)
    run(OpenAIModel(server.url, "m"), examples, store, tmp_path / "kept.jsonl")
    sent = json.dumps(server.bodies)
    assert "tau" in sent
    for private in ("hunter", "notes.txt", "ada", examples[0].base, examples[0].id, str(tmp_path)):
        assert private not in sent


LIES = {
    "fix the crash in parser_state today": "names what is not there",
    "please use tau in the code": "hindsight",
    SHOTS[0].requests[0][1]: "a few-shot example again",
    "fix": "not of the drawn length",
    "": "empty",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_rejected_twice_and_the_rules_stand(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path, lie: str
) -> None:
    server = serve(lambda system: honest(system) if system.startswith("You describe") else (200, lie))
    result, service = run(OpenAIModel(server.url, "m"), examples, store, tmp_path / "kept.jsonl")
    consistent(result, service, examples)
    assert {one.prompt for one in result.examples} == {"fix that error"}
    assert result.refused == {LIES[lie]: 24}
    again, _ = run(OpenAIModel("http://127.0.0.1:9/v1", "m"), examples, store, tmp_path / "kept.jsonl")
    assert again == result


def test_a_second_answer_may_be_better(examples: list[Example], store: TreeStore, tmp_path: Path) -> None:
    def script(request: Request) -> list[str]:
        if request.messages[0].content.startswith("You describe"):
            return [DESCRIBED]
        return [GOOD if request.seed else "I'm sorry, I can't do that"]

    result, service = run(ScriptedModel(script), examples, store, tmp_path / "kept.jsonl")
    consistent(result, service, examples)
    assert (result.prompts, result.refused) == (12, {"a refusal, or talk": 12})


@pytest.mark.parametrize("how", ["down", "500", "no JSON"])
def test_a_service_that_fails_is_left_alone_after_a_while(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path, how: str
) -> None:
    server = serve(lambda _: (500, "") if how == "500" else (200, "x"))
    url = {"down": "http://127.0.0.1:9/v1", "500": server.url, "no JSON": server.url}[how]
    if how == "no JSON":
        server.answer = lambda _: (204, "")
    result, service = run(
        OpenAIModel(url, "m", retries=0), examples, store, tmp_path / "kept.jsonl", most_failures=3, workers=2
    )
    consistent(result, service, examples)
    assert list(result.examples) == examples
    # one more may be under way when the third fails
    assert 3 <= service.counts.failed <= 4
    assert service.counts.failed + service.counts.not_asked == 24
    assert "m at http://127.0.0.1" in service.counts.error
    assert not (tmp_path / "kept.jsonl").exists()


@pytest.mark.parametrize("how", ["silent", "trickle"])
def test_a_slow_service_costs_its_deadline_and_no_more(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path, how: str
) -> None:
    gone = threading.Event()

    def answer(_: str) -> tuple[int, str]:
        if how == "silent":
            gone.wait(30)
        return 200, "trickle"

    server = serve(answer)
    began = time.monotonic()
    result, service = run(
        OpenAIModel(server.url, "m", retries=0, timeout=0.5), examples, store, tmp_path / "kept.jsonl",
        deadline_seconds=1.0, most_failures=2, workers=2,
    )  # fmt: skip
    took = time.monotonic() - began
    gone.set()
    consistent(result, service, examples)
    assert list(result.examples) == examples
    assert "no answer within 0.5 s" in service.counts.error or "no whole answer within 1 s" in service.counts.error
    assert took < 20


def test_a_service_that_comes_back_in_time_is_asked_on(
    serve: Serve, examples: list[Example], store: TreeStore, tmp_path: Path
) -> None:
    served = iter(range(1000))
    server = serve(lambda system: (500, "") if next(served) < 2 else honest(system))
    result, service = run(
        OpenAIModel(server.url, "m", retries=0), examples, store, tmp_path / "kept.jsonl", most_failures=3, workers=1
    )
    consistent(result, service, examples)
    assert (service.counts.failed, service.counts.not_asked, service.counts.circuit_open) == (2, 0, False)
    # the first example got neither, the others both
    assert (result.descriptions, result.prompts) == (11, 11)


def test_torn_and_foreign_lines_of_kept_answers_are_asked_for_again(
    examples: list[Example], store: TreeStore, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    kept.write_text('{"key": "x"}\n[]\nnot json\n{"key": "torn', "utf-8")
    model = ScriptedModel(lambda request: [honest(request.messages[0].content)[1]])
    result, _ = run(model, examples[:1], store, kept)
    assert result.prompts == 1
    assert ReplyCache(kept, "other").get(model.requests[0]) is None
    assert ReplyCache(kept, "m").get(model.requests[0]) is not None


def test_an_answer_of_megabytes_costs_little_and_is_not_kept(
    examples: list[Example], store: TreeStore, tmp_path: Path, serve: Serve
) -> None:
    garbage = serve(lambda _: (200, "fix the unbound pi " * 200_000))
    with_garbage, service = run(OpenAIModel(garbage.url, "m"), examples[:2], store, tmp_path / "kept")
    assert with_garbage.refused == {"too long": 8}
    consistent(with_garbage, service, examples[:2])
    assert (tmp_path / "kept").stat().st_size < 8 * 25_000


@pytest.mark.parametrize(
    "said", ["fix the unbound pi \ud83d", "fix \x1b]0;x\x07the unbound pi", "fix the \u202eunbound pi"]
)
def test_what_is_no_text_becomes_none(
    examples: list[Example], store: TreeStore, tmp_path: Path, serve: Serve, said: str
) -> None:
    odd = serve(lambda _: (200, said))
    result, service = run(OpenAIModel(odd.url, "m"), examples[:1], store, tmp_path / "kept")
    consistent(result, service, examples[:1])
    assert (result.prompts, result.descriptions) == (0, 0)
    assert result.examples[0].to_json().encode()
