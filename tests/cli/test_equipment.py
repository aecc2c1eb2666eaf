"""What the sidecar is equipped with, by the settings of home and workspace."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenloop.aid.trust import Trust
from greenloop.cli.app import App
from greenloop.cli.equipment import HomeEquipment
from greenloop.cli.home import Home
from greenloop.records import InputError


def _model(folder: Path, name: str) -> str:
    script = folder / f"{name}.jsonl"
    script.write_text(json.dumps({"replies": [name]}) + "\n")
    return f'[model]\nname = "scripted:{script}"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/greenloop.toml").write_text(_model(tmp_path, "own"))
    return Home(tmp_path / "home")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project/lib").mkdir(parents=True)
    (tmp_path / "project/greenloop.toml").write_text(
        _model(tmp_path, "theirs") + '\n[record]\nallow_secrets = ["**"]\n\n[turn]\nrepair_rounds = 0\n'
    )
    return tmp_path / "project"


@pytest.fixture
def trust(home: Home) -> Trust:
    return Trust(home.aid / "trusted.json")


@pytest.fixture
def equipment(home: Home, trust: Trust) -> Iterator[HomeEquipment]:
    made = HomeEquipment(App(home, None), trust)
    yield made
    made.close()


def test_the_settings_of_a_workspace_count_once_it_is_trusted(
    equipment: HomeEquipment, trust: Trust, root: Path
) -> None:
    before = equipment.strategy(root, task="t")
    assert before.model is not None
    assert before.model.name.endswith("own.jsonl")
    assert before.repair_rounds == 2
    trust.decide(root, trusted=True)
    after = equipment.strategy(root, task="t")
    assert after.model is not None
    assert after.model.name.endswith("theirs.jsonl")
    assert after.repair_rounds == 0
    trust.decide(root, trusted=False)
    assert equipment.strategy(root, task="t").model is before.model


def test_another_model_is_taken_from_the_next_turn_on(
    equipment: HomeEquipment, trust: Trust, root: Path, tmp_path: Path
) -> None:
    trust.decide(root, trusted=True)
    first = equipment.strategy(root, task="t").model
    assert equipment.strategy(root, task="t").model is first
    (root / "greenloop.toml").write_text(_model(tmp_path, "new"))
    second = equipment.strategy(root, task="t").model
    assert second is not None
    assert second.name.endswith("new.jsonl")
    (root / "greenloop.toml").write_text('[model]\nname = "nonsense"\n')
    with pytest.raises(InputError, match="no model is called 'nonsense'"):
        equipment.strategy(root, task="t")


def test_the_root_is_where_the_settings_lie(equipment: HomeEquipment, root: Path) -> None:
    assert equipment.root_of(root / "lib") == root
    assert equipment.root_of(root / "greenloop.toml") == root
    (root / "greenloop.toml").unlink()
    (root / "dune-project").write_text("(lang dune 2.9)\n")
    assert equipment.root_of(root / "lib") == root


def test_what_looks_like_a_secret_is_not_kept(equipment: HomeEquipment) -> None:
    assert equipment.may_keep("rename the function")
    assert not equipment.may_keep("use AKIA" + "Q3EGUVLXDZ7QXR5K")
