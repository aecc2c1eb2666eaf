"""What tests of candidates share: the compiler on this machine, and edits at the place of its first error."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.builds.diagnostics.ocaml import parse
from greenloop.candidates.mechanical.changes import applied, changes_at
from greenloop.candidates.mechanical.site import site_of
from greenloop.records import Diagnostic

Compiled = Callable[[str], tuple[Diagnostic, ...]]


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    """Return what says what the compiler says of a file ``a.ml``."""

    def run(text: str) -> tuple[Diagnostic, ...]:
        (tmp_path / "a.ml").write_text(text)
        said = subprocess.run(
            ["ocamlc", "-color", "never", "-w", "-a", "-stop-after", "typing", "a.ml"],
            cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        return parse(said.stderr, root=str(tmp_path))

    return run


@pytest.fixture
def edited(compiled: Compiled) -> Callable[[str], dict[str, str]]:
    """Return what says every text to which an edit near the first error leads, white space aside → its rule."""

    def run(text: str) -> dict[str, str]:
        (error, *_) = compiled(text)
        site = site_of(text.encode(), "a.ml", error)
        assert site is not None
        found: dict[str, str] = {}
        for change in changes_at(site):
            found.setdefault("".join(applied(text.encode(), change).decode().split()), change.rule)
        return found

    return run
