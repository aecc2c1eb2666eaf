"""What Greenloop brings: an adapter of the embedded model, and the card of its run."""

from pathlib import Path

from greenloop.models import shipped
from greenloop.models.adapters import check_adapter
from greenloop.models.book import Book
from greenloop.models.gguf import check_gguf
from greenloop.models.local import find_smollm2
from greenloop.models.registry import ModelSettings, asking_of, open_model
from greenloop.models.seam import Message, Request
from greenloop.records import Strategy
from greenloop.storage import sha256_of

MOST = 12_000_000
"""Bytes that a repository can carry for it."""


def test_it_is_small_and_of_the_embedded_model() -> None:
    base = find_smollm2()
    check_adapter(shipped.ADAPTER, base, check_gguf(base))
    assert shipped.ADAPTER.stat().st_size <= MOST
    assert shipped.card().base.sha256 == sha256_of(base)
    assert shipped.card().status == "finished"


def test_it_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    asking = shipped.card().asking
    assert asking is not None
    assert asking.strategy is Strategy.BARE_BLOCKS
    settings = ModelSettings(book=tmp_path / "models")
    assert asking_of("local", settings) == asking
    assert asking_of("default", settings) == asking, "nothing else was chosen"
    assert asking_of("default", ModelSettings()) == asking
    assert asking_of("smollm2", settings) is None
    assert Book(tmp_path / "models").current() == "local"


def test_it_answers_otherwise_than_the_plain_model() -> None:
    request = Request((Message("user", "a.ml\n```\nlet f x = y\n```\nUnbound value y\n\nfix it"),), max_tokens=24)
    replies = []
    for name in ("local", "smollm2"):
        with open_model(name, ModelSettings(context_tokens=512)) as model:
            assert model.name == name
            replies.append(model.complete(request)[0].text)
    assert replies[0] != replies[1]
