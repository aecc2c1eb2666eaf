"""Tests against the real TRL, verl and verifiers: ``make adapters`` runs them, in the environment that holds those.

Under the project's own environment none of these files is collected: what they import is not there.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

from greenloop.ces.adapters.task import EditTask
from greenloop.records import Edit, EvaluationRequest

HERE = Path(__file__).parent
if importlib.util.find_spec("verl") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    # verifiers and verl find what they load by a module's name
    sys.path.append(str(HERE / "plugins"))


@pytest.fixture
def task() -> EditTask:
    return EditTask.of(EvaluationRequest(revision="main", edit=Edit(files=())))
