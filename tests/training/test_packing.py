"""Packed examples do not see each other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from greenloop.training.base_model import Base, load_model
from greenloop.training.conversations import Conversation
from greenloop.training.packing import packed
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
