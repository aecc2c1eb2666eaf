"""A step of training an adapter on a CPU, in bf16: one packed row forth and back, each way of computing it in turn.

    python benchmarks/training_step.py [--cache FOLDER] [--rounds 5] [--json]

The row is four examples of 300 tokens with 43 tokens of reply each, about what the OCaml recipes pack; the base is the
embedded SmolLM2-135M, whose weights that can be trained are made in the cache once. The last line of ``--json``:

    {"step_s":…, "fp32_adapter_s":…, "fused_attention_s":…, "before_s":…, "masked_s":…, "ratio":…}

Medians of the rounds, in seconds: as it is; with the adapter's products in fp32; with PyTorch's fused attention for
each example; with both (as it was before); with one attention under a mask besides. ``ratio``: now / before.
"""

import argparse
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from greenloop.training import segments
from greenloop.training.adapters import new_adapter
from greenloop.training.base_model import find_base, load_model
from greenloop.training.half import as_the_base
from greenloop.training.sections import LoraSection

EXAMPLES, TOKENS, REPLY = 4, 300, 43


def plain(_model: Any) -> AbstractContextManager[None]:
    """The adapter computes in fp32, as PEFT has it."""
    return nullcontext()


def step(model: Any, way: Callable[[Any], AbstractContextManager[None]]) -> float:
    """Return the seconds of one row, forth and back."""
    ids = torch.arange(EXAMPLES * TOKENS)[None] % 40_000 + 100
    positions = torch.arange(TOKENS).repeat(EXAMPLES)[None]
    places = torch.cat([torch.arange((one + 1) * TOKENS - REPLY, (one + 1) * TOKENS) for one in range(EXAMPLES)])
    began = time.perf_counter()
    with way(model):
        logits = model(input_ids=ids, position_ids=positions, use_cache=False, logits_to_keep=places).logits[0].float()
    torch.nn.functional.cross_entropy(logits, ids[0, places]).backward()
    return time.perf_counter() - began


def main() -> None:
    """Measure all ways in turn, round by round: what else runs on the machine meets each alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path.home() / ".greenloop" / "models" / "bases")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    base = find_base("smollm2", options.cache, print)
    models = {}
    for attention in (segments.NAME, "sdpa"):
        models[attention] = new_adapter(load_model(base, dtype=torch.bfloat16, attention=attention), LoraSection())
        models[attention].train()
    short = segments.SHORT
    ways: dict[str, tuple[str, str, int, Callable[[Any], AbstractContextManager[None]]]] = {
        "step_s": ("as it is", segments.NAME, short, as_the_base),
        "fp32_adapter_s": ("the adapter in fp32", segments.NAME, short, plain),
        "fused_attention_s": ("fused attention for each example", segments.NAME, 0, as_the_base),
        "before_s": ("both", segments.NAME, 0, plain),
        "masked_s": ("both, and one attention under a mask", "sdpa", 0, plain),
    }
    seconds: dict[str, list[float]] = {key: [] for key in ways}
    for turn in range(options.rounds + 1):
        for key, (_title, attention, segments.SHORT, way) in ways.items():
            took = step(models[attention], way)
            # the first round fills caches
            if turn:
                seconds[key].append(took)
    found = {key: round(median(taken), 3) for key, taken in seconds.items()}
    table = Table("one row of 1,200 tokens", "seconds, median", "fastest")
    for key, (title, *_) in ways.items():
        table.add_row(title, f"{found[key]:.2f}", f"{min(seconds[key]):.2f}")
    Console().print(table)
    if options.json:
        print(json.dumps({**found, "ratio": round(found["step_s"] / found["before_s"], 3)}))


if __name__ == "__main__":
    main()
