"""The endpoint over a scripted world, and clients of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
from tests.aid.turns.conftest import GENEROUS, World, files, judging, tools, tracer, world

from greenloop.aid.openai_door.place import EndpointPlace
from greenloop.aid.openai_door.server import Endpoint
from greenloop.aid.openai_door.turns import Limits

__all__ = ["files", "judging", "tools", "tracer", "world"]


@dataclass
class Served:
    """An endpoint over a world."""

    world: World
    endpoint: Endpoint
    place: EndpointPlace
    stack: ExitStack
    """Closes the clients, after the endpoint."""
    stop: Callable[[], None]

    @property
    def token(self) -> str:
        return self.place.token.read_text().strip()

    @property
    def base_url(self) -> str:
        card = self.place.card()
        assert card is not None
        return card.base_url

    @property
    def model(self) -> str:
        return f"greenloop:{self.world.root}"

    def client(self, **more: object) -> openai.OpenAI:
        """OpenAI's own client, as a program that uses it would make it."""
        made = openai.OpenAI(
            base_url=self.base_url, api_key=self.token, timeout=GENEROUS, max_retries=0, **more,  # type: ignore[arg-type]
        )  # fmt: skip
        self.stack.callback(made.close)
        return made

    def raw(
        self, method: str, path: str, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> httpx.Response:
        """A request as it is told to be, with the token unless `headers` say otherwise."""
        given = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        where = self.base_url.removesuffix("/v1") + path
        return httpx.request(method, where, headers=given, content=content, timeout=GENEROUS, trust_env=False)


@pytest.fixture
def serve(world: World, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Serve the world; trusted unless told otherwise."""
    with ExitStack() as stack, ExitStack() as endings:

        def make(*, trusted: bool = True, limits: Limits | None = None) -> Served:
            if trusted:
                world.open()
            place = EndpointPlace(tmp_path / "endpoint")
            endpoint = Endpoint(world.service, place, lambda: (str(world.root),), limits)
            endings.callback(endpoint.close)
            return Served(world, endpoint, place, stack, endings.close)

        yield make


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()
