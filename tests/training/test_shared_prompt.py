"""Replies that share their prompt in one row: the same values and gradients as rows of their own."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from greenloop.training.adapters import new_adapter
from greenloop.training.base_model import Base, load_model
from greenloop.training.sections import LoraSection
from greenloop.training.shared_prompt import has_shared_prompt, reply_logits

PROMPT = torch.tensor([5, 17, 300, 42, 9])
REPLIES = torch.tensor([[11, 12, 13, 2], [700, 2, 0, 0], [11, 99, 2, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])


def alone(model: Any) -> torch.Tensor:
    rows = torch.cat([PROMPT.repeat(3, 1), REPLIES], dim=1)
    mask = torch.cat([torch.ones(3, 5, dtype=torch.long), MASK], dim=1)
    said: torch.Tensor = model(input_ids=rows, attention_mask=mask, use_cache=False).logits
    return said[:, 4:-1]


def together(model: Any) -> torch.Tensor:
    return reply_logits(model, PROMPT, REPLIES)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_values_and_gradients_are_those_of_rows_of_their_own(tiny: Base, attention: str) -> None:
    def measured(how: Callable[[Any], torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        torch.manual_seed(1)
        model = new_adapter(load_model(tiny, dtype=torch.float32, attention=attention), LoraSection(r=4))
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.1)
        logps = torch.log_softmax(how(model), -1).gather(-1, REPLIES[:, :, None]).squeeze(-1) * MASK
        (logps * torch.tensor([[1.0], [-2.0], [0.5]])).sum().backward()
        grads = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
        return logps.detach(), grads

    (logps, grads), (wanted, known) = measured(together), measured(alone)
    assert torch.allclose(logps, wanted, atol=1e-4)
    assert grads.keys() == known.keys()
    assert any(float(one.abs().max()) > 1e-3 for one in known.values())
    for name, one in known.items():
        assert torch.allclose(grads[name], one, atol=1e-3, rtol=1e-3), name


def test_only_one_and_the_same_whole_prompt_is_shared() -> None:
    rows = torch.cat([PROMPT.repeat(3, 1), REPLIES], dim=1)
    mask = torch.cat([torch.ones(3, 5, dtype=torch.long), MASK], dim=1)
    assert has_shared_prompt(rows, mask, 4)
    other = rows.clone()
    other[1, 2] = 8
    assert not has_shared_prompt(other, mask, 4)
    padded = mask.clone()
    padded[:, 0] = 0
    assert not has_shared_prompt(rows, padded, 4)
