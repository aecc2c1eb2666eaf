"""Which checkpoints are whole, and what a run that goes on forgets."""

import json
from pathlib import Path

import pytest
from tests.training.conftest import Change

from greenloop.records import InputError
from greenloop.training.run_folder import RunFolder, is_whole, seal


def checkpoint(run: RunFolder, step: int, *, sealed: bool = True) -> Path:
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"12345")
    if sealed:
        seal(folder)
    return folder


def test_the_newest_whole_one_counts_by_number_and_torn_ones_go(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checkpoint(run, 9)
    good = checkpoint(run, 10)
    torn = checkpoint(run, 11, sealed=False)
    short = checkpoint(run, 12)
    (short / "weights").write_bytes(b"123")
    assert run.last_checkpoint() == good
    assert not torn.exists()
    assert not short.exists()
    (good / "weights").unlink()
    assert not is_whole(good)


def test_none_is_no_checkpoint(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).last_checkpoint() is None


def test_a_run_that_goes_on_forgets_the_steps_that_it_makes_again(smoke: Change, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.begin(smoke(), resume=False) is None
    for step in range(1, 6):
        run.note({"step": step, "loss": 1.0})
    with run.log.open("a") as log:
        log.write('{"step": 6, "lo')
    last = checkpoint(run, 3)
    assert run.begin(smoke(), resume=True) == last
    assert [json.loads(line)["step"] for line in run.log.read_text().splitlines()] == [1, 2, 3]


def test_a_key_that_changed_is_named(smoke: Change, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin(smoke(), resume=False)
    with pytest.raises(InputError, match=r"\[seeds\] seed = 0, the recipe now says 1"):
        run.begin(smoke(seeds={"seed": 1}), resume=True)


def test_data_that_changed_since_is_named(finished: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    card = finished.read_card()
    run.claim(card)
    run.claim(card)
    with pytest.raises(InputError, match="what is learnt from has changed"):
        run.claim(card.model_copy(update={"data_sha256": "0" * 64}))
    with pytest.raises(InputError, match="the base has changed"):
        run.claim(card.model_copy(update={"base": card.base.model_copy(update={"sha256": "0" * 64})}))
    assert run.read_card() == card


def test_a_folder_is_put_whole_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)

    def fill(folder: Path) -> None:
        (folder / "a").write_text("1")

    def fail(folder: Path) -> None:
        (folder / "a").write_text("2")
        raise KeyboardInterrupt

    assert list(run.put("adapter", fill)) == ["adapter/a"]
    with pytest.raises(KeyboardInterrupt):
        run.put("adapter", fail)
    assert (run.adapter / "a").read_text() == "1"
