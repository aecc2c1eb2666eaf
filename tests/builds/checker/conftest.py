"""A toolchain with dune 3, where the image was made."""

from pathlib import Path

import pytest

from greenloop.builds import images
from greenloop.builds.images import Image
from greenloop.records import GreenloopError

IMAGES = Path(__file__).parents[3] / ".images/images"


@pytest.fixture(scope="session")
def image() -> Image:
    try:
        return images.open(IMAGES)
    except GreenloopError as error:
        pytest.skip(f"expected: no toolchain image, `make image` makes one: {error}")
