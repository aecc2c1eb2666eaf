"""Rendezvous hashing: stable, and moving no more than it must."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from greenloop.ces.cluster.placement import ranked

NAMES = st.sets(st.text(min_size=1), min_size=1, max_size=8)


@given(key=st.text(), names=NAMES)
def test_every_name_is_ranked_once_whatever_the_order_given(key: str, names: set[str]) -> None:
    assert ranked(key, sorted(names)) == ranked(key, sorted(names, reverse=True))
    assert sorted(ranked(key, names)) == sorted(names)


@given(key=st.text(), names=NAMES, gone=st.data())
def test_a_name_that_goes_moves_nothing_else(key: str, names: set[str], gone: st.DataObject) -> None:
    lost = gone.draw(st.sampled_from(sorted(names)))
    assert ranked(key, names - {lost}) == tuple(name for name in ranked(key, names) if name != lost)


def test_keys_are_spread_over_the_names_and_so_are_second_choices() -> None:
    names = [f"node-{index}" for index in range(4)]
    orders = [ranked(f"{index:040x}", names) for index in range(2000)]
    firsts = Counter(order[0] for order in orders)
    seconds = Counter(order[1] for order in orders if order[0] == "node-0")
    assert all(400 < firsts[name] < 600 for name in names)
    assert all(100 < seconds[name] < 240 for name in names[1:])
