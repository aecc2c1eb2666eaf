"""The smoke recipe's conversations are what the code that renders every prompt makes today."""

import runpy
from pathlib import Path

from tests.training.conftest import RECIPES

from greenloop.datasets.load import load


def test_the_file_is_what_its_script_writes() -> None:
    made = runpy.run_path(str(RECIPES.parent / "scripts" / "make_smoke_data.py"))["smoke_lines"]()
    assert (RECIPES / "smoke.jsonl").read_text() == made, "run scripts/make_smoke_data.py"


def test_the_tasks_are_what_their_script_makes(tmp_path: Path) -> None:
    script = runpy.run_path(str(RECIPES.parent / "scripts" / "make_smoke_data.py"))
    assert (RECIPES / "smoke-choices.jsonl").read_text() == script["choice_lines"](), "run scripts/make_smoke_data.py"
    script["smoke_dataset"](tmp_path / "dataset")
    made, held = load(tmp_path / "dataset"), load(RECIPES / "smoke-dataset")
    assert made.parts == held.parts, "run scripts/make_smoke_data.py"
