"""Attention within each example of a packed row, and nowhere else: on a CPU, a quarter of a step less.

A mask over a packed row makes PyTorch compute every pair of its tokens and throw most of them away; on a CPU there is
no kernel that skips them. Here each example is a causal call of its own. The result is that of a block-diagonal mask,
to rounding: a test compares them.
"""

from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "segments"


def segments_attention(
    _module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    position_ids: torch.Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers' ``sdpa`` does with packed rows; see its ``AttentionInterface`` for the shapes.

    ``query``: (rows, heads, tokens, head size). Position ids restart at 0 with each example. There must be no cache of
    earlier keys, and no mask.
    """
    rows, heads, tokens, _size = query.shape
    if attention_mask is not None or key.shape[2] != tokens:
        raise ValueError("attention by segments takes whole packed rows, with neither mask nor cache")
    if heads != key.shape[1]:
        key, value = (one.repeat_interleave(heads // key.shape[1], dim=1) for one in (key, value))
    parts = []
    for row in range(rows):
        positions = position_ids[row if position_ids.shape[0] == rows else 0]
        edges = [*(positions == 0).nonzero().flatten().tolist(), tokens]
        pieces = [
            scaled_dot_product_attention(
                *(one[row : row + 1, :, start:end] for one in (query, key, value)),
                dropout_p=dropout,
                is_causal=True,
                scale=scaling,
            )
            for start, end in pairwise(edges)
        ]
        parts.append(torch.cat(pieces, dim=2))
    return torch.cat(parts, dim=0).transpose(1, 2).contiguous(), None


def register() -> None:
    """Make ``segments`` known to transformers; harmless when repeated."""
    AttentionInterface.register(NAME, segments_attention)
