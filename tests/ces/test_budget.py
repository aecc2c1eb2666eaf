"""Memory divided: judgements first, then a warmer, then checkers."""

import pytest

from greenloop.ces.budget import Shares, share
from greenloop.records import InputError


@pytest.mark.parametrize(
    ("memory", "workers", "shares"),
    [
        (3072, 2, Shares(warmers=1, checkers=0)),
        (4096, 2, Shares(warmers=1, checkers=2)),
        (8192, 2, Shares(warmers=2, checkers=8)),
        (65536, 4, Shares(warmers=4, checkers=112)),
        (2048, 1, Shares(warmers=1, checkers=0)),
    ],
)
def test_memory_is_shared_out(memory: int, workers: int, shares: Shares) -> None:
    assert share(memory, workers=workers) == shares
    assert workers * 1024 + shares.warmers * 1024 + shares.checkers * 512 <= memory


def test_too_little_is_said() -> None:
    with pytest.raises(InputError, match="allow 3072 MiB"):
        share(3000, workers=2)
