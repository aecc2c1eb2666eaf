"""The run that training goes on from."""

from pathlib import Path

from greenloop.models import shipped
from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.local import find_smollm2
from greenloop.training.parents import find_parent
from greenloop.training.recipe import SHIPPED


def test_a_folder_is_the_run(tmp_path: Path) -> None:
    assert find_parent(str(tmp_path / "run"), tmp_path / "cache").path == tmp_path / "run"


def test_what_is_shipped_becomes_a_run_once(tmp_path: Path) -> None:
    run = find_parent(SHIPPED, tmp_path)
    assert run.read_card() == shipped.card()
    convert_adapter(run.adapter, find_smollm2(), tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == shipped.ADAPTER.read_bytes()
    before = run.card.stat().st_mtime_ns
    assert find_parent(SHIPPED, tmp_path) == run
    assert run.card.stat().st_mtime_ns == before
