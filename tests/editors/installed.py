"""Which editors are on this machine; what lacks one is skipped with the reason, and such a skip fails a run."""

import shutil
import subprocess

import pytest

EMACS = "28.2"


def _no_emacs() -> str:
    found = shutil.which("emacs")
    if found is None:
        return "Emacs is not here: run scripts/emacs.sh"
    said = subprocess.run(
        [found, "--batch", "--eval", "(princ emacs-version)"], capture_output=True, text=True, check=False
    ).stdout
    return "" if said == EMACS else f"Emacs is {said}, not {EMACS}: run scripts/emacs.sh on Debian 12"


needs_emacs = pytest.mark.skipif(bool(_no_emacs()), reason=_no_emacs())
