"""What was converted computes, in llama.cpp, what transformers computes."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.conversion.conftest import Runtime, Tiny, altered, random_llama, smollm2_tokenizer

from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.conversion.model import convert_model
from greenloop.models.local import LocalModel
from greenloop.models.seam import Message, Request

Start = Callable[..., Runtime]
PROMPT = "let rec fact n = if n <= 1 then 1 else n * fact (n - 1)"
STEPS = 12


def theirs(model: Any, prompt: list[int], count: int) -> tuple[list[int], list[dict[int, float]]]:
    """Return the same as ``Runtime.greedy``, by transformers."""
    ids, tops = list(prompt), []
    for _ in range(count):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        best = torch.log_softmax(logits, -1).topk(10)
        tops.append(dict(zip(best.indices.tolist(), best.values.tolist(), strict=True)))
        ids.append(int(logits.argmax()))
    return ids[len(prompt) :], tops


def assert_same(ours: tuple[list[int], list[dict[int, float]]], other: tuple[list[int], Any], within: float) -> None:
    assert ours[0] == other[0]
    for mine, their in zip(ours[1], other[1], strict=True):
        shared = mine.keys() & their.keys()
        assert len(shared) >= 8, "the order of nearly equal ones may differ"
        assert all(math.isclose(mine[token], their[token], abs_tol=within) for token in shared)


@pytest.mark.parametrize(("dtype", "within"), [("f32", 0.02), ("f16", 0.1)])
def test_a_model_and_its_adapter(tiny: Tiny, runtime: Start, tmp_path: Path, dtype: Any, within: float) -> None:
    convert_model(tiny.folder, tmp_path / "base.gguf", dtype=dtype)
    convert_adapter(tiny.adapter, tmp_path / "base.gguf", tmp_path / "adapter.gguf")
    prompt = tiny.tokenizer()(PROMPT)["input_ids"]
    plain = runtime(tmp_path / "base.gguf").greedy(prompt, STEPS)
    adapted = runtime(tmp_path / "base.gguf", tmp_path / "adapter.gguf").greedy(prompt, STEPS)
    assert_same(plain, theirs(tiny.model(), prompt, STEPS), within)
    assert_same(adapted, theirs(tiny.model(adapted=True), prompt, STEPS), within)
    assert plain[0] != adapted[0]


def test_a_merged_model(tiny: Tiny, runtime: Start, tmp_path: Path) -> None:
    convert_model(tiny.merged(tmp_path / "merged"), tmp_path / "merged.gguf", dtype="f32")
    prompt = tiny.tokenizer()(PROMPT)["input_ids"]
    ours = runtime(tmp_path / "merged.gguf").greedy(prompt, STEPS)
    assert_same(ours, theirs(tiny.model(adapted=True), prompt, STEPS), 0.05)


def test_a_model_with_tied_embeddings_in_bfloat16(runtime: Start, tmp_path: Path) -> None:
    tokenizer = smollm2_tokenizer()
    model = random_llama(tokenizer, tied=True).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "tied")
    tokenizer.save_pretrained(tmp_path / "tied")
    header = convert_model(tmp_path / "tied", tmp_path / "tied.gguf", dtype="f32")
    assert "output.weight" not in header.shapes
    prompt = tokenizer(PROMPT)["input_ids"]
    ours = runtime(tmp_path / "tied.gguf").greedy(prompt, STEPS)
    assert_same(ours, theirs(model.to(torch.float32).eval(), prompt, STEPS), 0.05)


def test_replies_through_the_seam(tiny: Tiny, tmp_path: Path) -> None:
    convert_model(tiny.folder, tmp_path / "base.gguf", dtype="f32")
    convert_adapter(tiny.adapter, tmp_path / "base.gguf", tmp_path / "adapter.gguf")
    tokenizer = tiny.tokenizer()
    turns = [{"role": "system", "content": "You fix OCaml."}, {"role": "user", "content": PROMPT}]
    prompt = tokenizer(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))["input_ids"]
    request = Request(tuple(Message(turn["role"], turn["content"]) for turn in turns), max_tokens=STEPS)  # type: ignore[arg-type]
    for adapted in (False, True):
        adapter = tmp_path / "adapter.gguf" if adapted else None
        with LocalModel(tmp_path / "base.gguf", adapter=adapter, context_tokens=256) as model:
            (reply,) = model.complete(request)
            assert model.tokenize(PROMPT) == tuple(tokenizer(PROMPT)["input_ids"])
        expected, _ = theirs(tiny.model(adapted=adapted), prompt, STEPS)
        assert reply.text == tokenizer.decode(expected)
        assert (reply.prompt_tokens, reply.reply_tokens) == (len(prompt), STEPS)


def test_rslora_is_scaled_by_the_root_of_its_rank(tiny: Tiny, runtime: Start, tmp_path: Path) -> None:
    scaled = Tiny(tiny.folder, altered(tiny.adapter, "adapter_config.json", tmp_path / "rs", use_rslora=True))
    convert_model(tiny.folder, tmp_path / "base.gguf", dtype="f32")
    convert_adapter(scaled.adapter, tmp_path / "base.gguf", tmp_path / "adapter.gguf")
    prompt = tiny.tokenizer()(PROMPT)["input_ids"]
    ours = runtime(tmp_path / "base.gguf", tmp_path / "adapter.gguf").greedy(prompt, STEPS)
    assert_same(ours, theirs(scaled.model(adapted=True), prompt, STEPS), 0.05)
    assert ours[0] != theirs(tiny.model(adapted=True), prompt, STEPS)[0]
