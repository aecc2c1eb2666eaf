"""An adapter computes in bf16 as its base does, and stays fp32: a fifth of a step on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting


@contextmanager
def as_the_base(model: Any) -> Iterator[None]:
    """Compute the products of ``model``'s adapter in its base's bf16 on a CPU; elsewhere, and in fp32, change nothing.

    PEFT makes the input of each adapted layer fp32 first, because the adapter's weights are, which are to keep small
    updates. Those are rounded for the product alone here, by PyTorch's autocast.
    """
    first = next(model.parameters())
    if first.device.type != "cpu" or first.dtype != torch.bfloat16:
        yield
        return
    with disable_input_dtype_casting(model), torch.autocast("cpu", torch.bfloat16):
        yield
