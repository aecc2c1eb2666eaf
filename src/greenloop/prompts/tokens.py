"""Estimating tokens without a tokenizer, so that a budget means the same for every model."""

BYTES_PER_TOKEN = 3


def estimate_tokens(text: str) -> int:
    """Return an estimate of the tokens of ``text``, meant as an upper bound: ceil(UTF-8 bytes / 3)."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
