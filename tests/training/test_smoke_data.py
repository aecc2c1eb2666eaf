"""The smoke recipe's conversations are what the code that renders every prompt makes today."""

import runpy

from tests.training.conftest import RECIPES


def test_the_file_is_what_its_script_writes() -> None:
    made = runpy.run_path(str(RECIPES.parent / "scripts" / "make_smoke_data.py"))["smoke_lines"]()
    assert (RECIPES / "smoke.jsonl").read_text() == made, "run scripts/make_smoke_data.py"
