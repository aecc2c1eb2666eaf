"""Packed examples do not see each other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from greenloop.training.adapters import new_adapter
from greenloop.training.base_model import Base, load_model
from greenloop.training.conversations import Conversation
from greenloop.training.half import as_the_base
from greenloop.training.packing import packed
from greenloop.training.sections import LoraSection
from greenloop.training.segments import segments_attention
from greenloop.training.tokens import encode
from greenloop.training.trainer import EditTrainer


def collated(tokenizer: Any, rows: Any) -> dict[str, Any]:
    """What the trainer's collator makes of two rows: it lays them end to end."""
    collate = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id, padding_free=True)
    return dict(collate([rows[0], rows[1]]))


@pytest.mark.parametrize("attention", ["sdpa", "eager", "segments"])
def test_a_packed_example_has_the_logits_that_it_has_alone(
    tiny: Base, tokenizer: Any, smoke_conversations: list[Conversation], attention: str
) -> None:
    rows = packed(encode(tokenizer, smoke_conversations[:4], 512).examples, 512)
    lengths = [*rows[0]["seq_lengths"], *rows[1]["seq_lengths"]]
    assert len(lengths) == 4
    model = load_model(tiny, dtype=torch.float32, attention=attention)
    batch = collated(tokenizer, rows)
    ids = batch["input_ids"]
    with torch.no_grad():
        together = model(**{key: value for key, value in batch.items() if key != "labels"}, use_cache=False).logits[0]
        start = 0
        for length in lengths:
            alone = model(input_ids=ids[:, start : start + length]).logits[0]
            torch.testing.assert_close(together[start : start + length], alone, atol=1e-4, rtol=1e-4)
            start += length


def test_short_examples_in_bf16_attend_as_the_fused_kernel_does() -> None:
    torch.manual_seed(0)
    shapes = [(1, 6, 50, 16), (1, 2, 50, 16), (1, 2, 50, 16)]
    exact = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    rounded = [one.to(torch.bfloat16).requires_grad_() for one in exact]
    exact = [one.detach().to(torch.float64).requires_grad_() for one in rounded]
    positions = torch.cat([torch.arange(20), torch.arange(30)])[None]
    for query, key, value in (rounded, exact):
        said, _ = segments_attention(None, query, key, value, None, position_ids=positions)
        assert said.shape == (1, 50, 6, 16)
        said.double().square().sum().backward()
    assert torch.equal(rounded[2].grad[0, :, 49:] != 0, torch.ones(2, 1, 16, dtype=torch.bool))
    for short, long in zip(rounded, exact, strict=True):
        assert short.grad is not None
        assert long.grad is not None
        torch.testing.assert_close(short.grad.double(), long.grad, atol=0.05, rtol=0.05)


def test_an_adapter_computes_in_bf16_and_stays_fp32(tiny: Base) -> None:
    """The same values to rounding; the gradients are fp32, as the adapter's weights."""
    model = new_adapter(load_model(tiny, dtype=torch.bfloat16, attention="sdpa"), LoraSection())
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    ids = torch.arange(40)[None]
    plain = model(input_ids=ids).logits.float()
    seen: set[torch.dtype] = set()
    layer = next(module for name, module in model.named_modules() if name.endswith("lora_A.default"))
    layer.register_forward_hook(lambda _module, _given, found: seen.add(found.dtype))
    with as_the_base(model):
        rounded = model(input_ids=ids).logits.float()
    assert seen == {torch.bfloat16}
    assert float(((rounded - plain).norm() / plain.norm()).detach()) < 0.02
    rounded.sum().backward()
    assert {weight.grad.dtype for weight in model.parameters() if weight.grad is not None} == {torch.float32}


def test_the_trainers_loss_is_that_of_the_examples_alone(
    tiny: Base, tokenizer: Any, smoke_conversations: list[Conversation], tmp_path: Path
) -> None:
    examples = encode(tokenizer, smoke_conversations[:4], 512).examples
    rows = packed(examples, 512)
    model = load_model(tiny, dtype=torch.float32, attention="sdpa")
    settings = SFTConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        packing=True,
        max_length=512,
        dataset_kwargs={"skip_prepare_dataset": True},
        report_to="none",
    )
    trainer = EditTrainer(model=model, args=settings, train_dataset=rows, processing_class=tokenizer)
    with torch.no_grad():
        loss = trainer.compute_loss(model, collated(tokenizer, rows))
        total, count = 0.0, 0
        for one in examples:
            logits = model(input_ids=torch.tensor([one.ids])).logits[0, :-1]
            labels = torch.tensor(one.labels[1:])
            total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            count += int((labels != -100).sum())
    assert float(loss) == pytest.approx(total / count, rel=1e-5)


def test_packing_loses_and_changes_no_example(tokenizer: Any, smoke_conversations: list[Conversation]) -> None:
    examples = encode(tokenizer, smoke_conversations, 1024).examples
    found = set()
    for row in packed(examples, 1024):
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["seq_lengths"]) <= 1024
        start = 0
        for length in row["seq_lengths"]:
            end = start + length
            found.add((tuple(row["input_ids"][start:end]), tuple(row["labels"][start:end])))
            start = end
    assert found == {(one.ids, one.labels) for one in examples}
