"""Several examples in one row, none of which sees another.

TRL packs (best fit, decreasing), and its collator restarts the position ids at each example and passes no attention
mask; transformers then makes a block-diagonal mask of the restarts, for ``sdpa`` and ``eager`` as well as for flash
attention (``masking_utils.find_packed_sequence_indices``). It does so only where there is no cache of keys and values,
so the model must be called with ``use_cache=False``: with a cache, a model's default, examples see each other.
Tests compare logits and loss of packed examples with those of single ones.
"""

from collections.abc import Sequence
from typing import Any

from trl import pack_dataset

import datasets
from greenloop.training.tokens import Tokens


def packed(examples: Sequence[Tokens], window: int) -> Any:
    """Return a ``datasets.Dataset`` of rows of at most ``window`` tokens: ``input_ids``, ``labels``, ``seq_lengths``.

    Every example is at most ``window`` tokens long.
    """
    rows = datasets.Dataset.from_dict(
        {"input_ids": [list(one.ids) for one in examples], "labels": [list(one.labels) for one in examples]}
    )
    return pack_dataset(rows, window, "bfd", {"keep_in_memory": True})
