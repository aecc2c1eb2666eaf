"""Attention within each example of a packed row, and nowhere else: on a CPU, a third of a step less.

A mask over a packed row makes PyTorch compute every pair of its tokens and throw most of them away; on a CPU there is
no kernel that skips them. Here each example is computed by itself. The result is that of a block-diagonal mask, to
rounding: a test compares them.
"""

from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "segments"
SHORT = 768
"""Tokens up to which the weights of every pair are written down: in bf16, whose fused kernel is slow on a CPU, that
takes half the time. They are kept for the way back, 2 bytes a pair, head and layer: 320 MB at 768 tokens of SmolLM2."""


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
    rows, _heads, tokens, size = query.shape
    if attention_mask is not None or key.shape[2] != tokens:
        raise ValueError("attention by segments takes whole packed rows, with neither mask nor cache")
    scale = size**-0.5 if scaling is None else scaling
    parts = []
    for row in range(rows):
        positions = position_ids[row if position_ids.shape[0] == rows else 0]
        edges = [*(positions == 0).nonzero().flatten().tolist(), tokens]
        pieces = [
            _one(*(one[row, :, start:end] for one in (query, key, value)), scale=scale, dropout=dropout)
            for start, end in pairwise(edges)
        ]
        parts.append(torch.cat(pieces, dim=1))
    return torch.stack(parts).transpose(1, 2).contiguous(), None


def _one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scale: float, dropout: float) -> torch.Tensor:
    """Attend causally within one example: (heads, tokens, head size), of ``key`` and ``value`` with fewer heads."""
    heads, tokens, size = query.shape
    groups = heads // key.shape[0]
    if query.dtype != torch.bfloat16 or tokens > SHORT or dropout:
        key, value = (one.repeat_interleave(groups, dim=0)[None] for one in (key, value))
        said = scaled_dot_product_attention(query[None], key, value, dropout_p=dropout, is_causal=True, scale=scale)
        return said[0]
    # the query heads of one key head are more rows of one product
    asked = (query * scale).reshape(-1, groups * tokens, size)
    weights = torch.matmul(asked, key.transpose(1, 2)).view(-1, groups, tokens, tokens)
    later = torch.full((tokens, tokens), float("-inf"), dtype=query.dtype, device=query.device).triu(1)
    weights = (weights + later).softmax(-1, dtype=query.dtype).view(-1, groups * tokens, tokens)
    return torch.matmul(weights, value).view(heads, tokens, size)


def register() -> None:
    """Make ``segments`` known to transformers; harmless when repeated."""
    AttentionInterface.register(NAME, segments_attention)
