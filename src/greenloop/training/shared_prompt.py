"""Several replies to one prompt in one row: the prompt is evaluated once, and no reply sees another.

A group's replies are a tenth as long as their prompt, so that evaluating it for each of them is most of a step. The row
is the prompt and then each reply; positions begin again behind the prompt, and a mask lets a reply see the prompt and
itself. Values and gradients are those of separate rows, up to rounding (a test compares them).
"""

from typing import Any

import torch


def has_shared_prompt(input_ids: torch.Tensor, attention_mask: torch.Tensor, reply_tokens: int) -> bool:
    """Whether all rows of (rows, tokens) have the same prompt, none of it padding, before ``reply_tokens`` of reply."""
    prompts = input_ids[:, :-reply_tokens]
    return bool((prompts == prompts[:1]).all() and attention_mask[:, :-reply_tokens].all())


def reply_logits(model: Any, prompt: torch.Tensor, replies: torch.Tensor) -> torch.Tensor:
    """Return what the model says before each token of each reply: (rows, tokens, vocabulary).

    ``prompt`` is a vector of ids, ``replies`` are (rows, tokens), padded behind; what is said at padding means nothing.
    """
    rows, width = replies.shape
    before, device = len(prompt), prompt.device
    ids = torch.cat([prompt, replies.flatten()])[None]
    positions = torch.cat([torch.arange(before), before + torch.arange(width).repeat(rows)]).to(device)[None]
    # 0 for the prompt, which all see; else the reply that a token belongs to
    owner = torch.cat([torch.zeros(before), 1 + torch.arange(rows).repeat_interleave(width)]).to(device)
    earlier = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=device).tril()
    seen = earlier & ((owner[None, :] == 0) | (owner[None, :] == owner[:, None]))
    dtype = model.get_input_embeddings().weight.dtype
    # eager attention adds a mask, so it cannot be of truth values
    barred = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, torch.finfo(dtype).min)
    said = model(
        input_ids=ids,
        attention_mask=barred[None, None],
        position_ids=positions,
        use_cache=False,
        logits_to_keep=torch.arange(before - 1, ids.shape[1], device=device),
    ).logits[0]
    first = said[:1].expand(rows, 1, -1)
    return torch.cat([first, said[1:].view(rows, width, -1)[:, :-1]], dim=1)
