"""A real step of TRL's GRPO trainer on the CPU: a model of random weights, whose every token is a whole reply."""

from pathlib import Path
from typing import Any

import pytest
import torch
from scripted_ces import BAD, FAULT, FUZZY, GOOD, PROSE, WORTH, script
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
from trl import GRPOConfig, GRPOTrainer

from datasets import Dataset
from greenloop.ces.adapters.task import EditTask
from greenloop.ces.adapters.trl import reward_function
from greenloop.ces.policy import reward
from greenloop.ces.scripted import ScriptedBackend

REPLIES = (GOOD, BAD, FUZZY, FAULT, PROSE)
GROUP = 16


@pytest.fixture
def service() -> ScriptedBackend:
    return ScriptedBackend(script)


def tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"<pad>": 0, "<eos>": 1, "Fix": 2} | {text: index for index, text in enumerate(REPLIES, start=3)}
    whole = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=whole, pad_token="<pad>", eos_token="<eos>", unk_token="<pad>")


@pytest.fixture
def trained(
    tmp_path: Path, task: EditTask, service: ScriptedBackend
) -> tuple[GRPOTrainer, list[dict[str, Any]], float]:
    """A trainer after one step, what it logged of each completion, and how far a weight moved."""
    set_seed(7)
    config = LlamaConfig(
        vocab_size=3 + len(REPLIES), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    seen: list[dict[str, Any]] = []
    ces = reward_function(service, reward)

    async def watched(**given: Any) -> list[float | None]:
        rewards = await ces(**given)
        pairs = zip(given["completions"], rewards, strict=True)
        seen.extend({"completion": completion, "reward": reward} for completion, reward in pairs)
        return rewards

    settings = GRPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=GROUP, num_generations=GROUP,
        max_completion_length=1, learning_rate=0.1, use_cpu=True, bf16=False, gradient_checkpointing=False,
        report_to=[], logging_steps=1, save_strategy="no", seed=7, temperature=1.0, beta=0.0,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=watched,
        args=settings,
        train_dataset=Dataset.from_list([{"prompt": "Fix", "task": task.to_json()}] * GROUP),
        processing_class=tokenizer(),
    )
    before = model.lm_head.weight.detach().clone()
    trainer.train()
    return trainer, seen, float((model.lm_head.weight.detach() - before).abs().max())


def test_a_step_of_grpo_is_rewarded_by_the_policy(
    trained: tuple[GRPOTrainer, list[dict[str, Any]], float], service: ScriptedBackend
) -> None:
    trainer, seen, moved = trained
    assert len(seen) == GROUP
    for row in seen:
        assert row["reward"] == WORTH.get(row["completion"], 0.0)
    said = {row["completion"] for row in seen}
    assert {GOOD, FAULT} <= said, "the seed makes the model say the one that counts and the one without a verdict"
    assert len(service.asked) == sum(row["completion"] in (GOOD, BAD, FUZZY, FAULT) for row in seen)
    # TRL leaves what has no verdict out of the mean: it is nobody's zero
    counted = [row["reward"] for row in seen if row["reward"] is not None]
    (logged,) = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert logged["reward"] == pytest.approx(sum(counted) / len(counted))
    assert moved > 0
    assert torch.isfinite(torch.tensor(logged["loss"]))
