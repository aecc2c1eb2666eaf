"""The mix of categories: the documented one, one like real examples, and quotas that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.mining.synthetic.mix import Mix
from greenloop.records import Category, InputError


def test_the_usual_mix_has_type_syntax_and_unbound_as_in_the_real_data() -> None:
    assert Mix.usual().quotas(1000) == {
        Category.TYPE: 515,
        Category.SYNTAX: 175,
        Category.UNBOUND: 160,
        Category.TEST: 100,
        Category.WARNING: 30,
        Category.DEPENDENCY: 20,
    }


def test_what_cannot_be_had_is_shared_among_the_others() -> None:
    mix = Mix({Category.TYPE: 3, Category.SYNTAX: 1, Category.TEST: 4})
    assert mix.quotas(8) == {Category.TYPE: 3, Category.SYNTAX: 1, Category.TEST: 4}
    assert mix.quotas(8, without=[Category.TEST]) == {Category.TYPE: 6, Category.SYNTAX: 2}
    assert mix.quotas(8, without=list(Category)) == {}


def test_no_examples_have_no_mix() -> None:
    with pytest.raises(InputError, match="no examples"):
        Mix.like([])


@given(
    st.dictionaries(st.sampled_from(Category), st.integers(min_value=0, max_value=50), min_size=1),
    st.integers(min_value=0, max_value=500),
)
def test_quotas_add_up(weights: dict[Category, int], count: int) -> None:
    quotas = Mix(weights).quotas(count)
    assert sum(quotas.values()) == (count if any(weights.values()) else 0)
    assert all(abs(quotas[name] - count * weights[name] / sum(weights.values())) < 1 for name in quotas)
