"""What dune's server says arrives in pieces of any size and comes out whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.builds.checker.csexp import Reader, encode
from greenloop.records import InfrastructureError

VALUES = st.recursive(st.binary(max_size=30), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(st.lists(VALUES, max_size=4), st.integers(min_value=1, max_value=7))
def test_what_was_encoded_is_read_in_pieces_of_any_size(values: list[bytes | list[object]], size: int) -> None:
    wire = b"".join(encode(value) for value in values)
    reader = Reader()
    seen = [one for at in range(0, len(wire), size) for one in reader.feed(wire[at : at + size])]
    assert seen == values


def test_the_bytes_on_the_wire() -> None:
    assert encode([["id", "1"], ["method", b"build"], ["params", []]]) == b"((2:id1:1)(6:method5:build)(6:params()))"


@pytest.mark.parametrize("wire", [b")", b"x", b"(1)", b":a", b"-1:a", b"12345678901:", b"(" * 2000])
def test_anything_else_is_a_fault_of_the_machine(wire: bytes) -> None:
    with pytest.raises(InfrastructureError):
        Reader().feed(wire)
