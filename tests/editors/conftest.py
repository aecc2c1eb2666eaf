"""One stage for all tests of a module."""

from collections.abc import Iterator

import pytest
from tests.editors.stage import Stage, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made
