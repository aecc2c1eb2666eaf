"""The real Emacs: the corpus in batch, the layer's own ERT tests, and Emacs' own checks of the layer."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.editors import thin
from tests.editors.scenario import Decide, Expect, Simple, names, scenario
from tests.editors.stage import Job, Report, Stage, external

LAYER = Path(__file__).resolve().parents[2] / "editors" / "emacs"
FAST = ("crlf", "dirty-buffer", "hunk-refused", "sidecar-killed", "stale-base", "undo")
ERT = sorted(path.stem for path in (LAYER / "test").glob("*-test.el"))


def drive(job: Job) -> Report:
    """Play a job in an Emacs in batch: nothing of whoever runs this is seen, or written to."""
    folder = Path(job.report).parent
    loaded = ("-L", LAYER, "-L", LAYER / "test", "-l", "greenloop-drive", "-f", "ert-run-tests-batch-and-exit")

    def command(given: Path, _root: Path) -> tuple[str, ...]:
        surroundings = (f"HOME={folder}", "LC_ALL=C.UTF-8", f"GREENLOOP_JOB={given}")
        return ("env", *surroundings, "emacs", "-Q", "--batch", *map(str, loaded))

    return external(command, folder)(job)


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.editors) for name in names() if name not in FAST)]
)
def test_it_plays_the_scenario(name: str, stage: Stage) -> None:
    stage.play(f"{name}-emacs", scenario(name), drive)


def test_a_rename_is_accepted_alone_and_once_more_after_an_undo(stage: Stage) -> None:
    renaming = scenario("rename")
    story = renaming.model_copy(
        update={
            "steps": (
                *renaming.steps[:-1],
                Decide(do="refuse", path="bill.ml"),
                Decide(do="accept"),
                Simple(do="undo"),
                Decide(do="accept", hunks=("price.ml",)),
            ),
            "expect": Expect(
                turns=renaming.expect.turns,
                funnel=("shown", "refused", "accepted", "undone", "accepted"),
                disk={"cost.ml": renaming.files["price.ml"], "bill.ml": renaming.files["bill.ml"]},
                gone=("price.ml",),
            ),
        }
    )
    stage.play("rename-alone-emacs", story, drive)


@pytest.mark.parametrize("name", ERT)
def test_what_the_corpus_does_not_reach(name: str, tmp_path: Path) -> None:
    loaded = ("-L", LAYER, "-L", LAYER / "test", "-l", name, "-f", "ert-run-tests-batch-and-exit")
    environment = {**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    ran = subprocess.run(
        ["emacs", "-Q", "--batch", *loaded], check=False, capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"Ran [1-9][0-9]* tests, .* 0 unexpected", ran.stderr), ran.stderr


def test_it_compiles_without_warnings_and_passes_checkdoc_and_package_lint(tmp_path: Path) -> None:
    files = sorted(LAYER.glob("*.el"))
    ran = _lint(files, tmp_path)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


def test_it_is_thin() -> None:
    files = sorted(LAYER.glob("*.el"))
    assert thin.lines(files) <= thin.MOST_LINES
    assert thin.logic(files) == []


def test_the_checks_find_something_where_there_is_something(tmp_path: Path) -> None:
    (tmp_path / "greenloop.el").write_text(
        (LAYER / "greenloop.el").read_text().replace("(provide", "(strange)\n(provide")
    )
    ran = _lint([tmp_path / "greenloop.el"], tmp_path)
    assert ran.returncode == 1
    assert "does not compile" in ran.stdout


def _lint(files: list[Path], home: Path) -> "subprocess.CompletedProcess[str]":
    words: list[str | Path] = [
        "emacs",
        "-Q",
        "--batch",
        "-L",
        LAYER,
        "-l",
        LAYER / "test" / "greenloop-lint.el",
        "-f",
        "greenloop-lint",
    ]
    environment = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    return subprocess.run([*words, *files], check=False, capture_output=True, text=True, env=environment)
