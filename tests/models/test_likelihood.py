"""What replies have in common."""

import pytest

from greenloop.models.likelihood import Likelihood, common_lines
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.scripted import ScriptedModel


@pytest.mark.parametrize(
    ("texts", "shared"),
    [
        (["a\nb\nc", "a\nb\nd"], "a\nb\n"),
        (["a\nbc", "a\nbd"], "a\n"),
        (["a\nb\n", "a\nb\n"], "a\n"),
        (["a\nb\n", "a\nb\nc\n"], "a\n"),
        (["a", "b"], ""),
        (["a\n", "a\nb"], ""),
        (["", "a\n"], ""),
        ([], ""),
    ],
)
def test_common_lines_leave_something_of_each(texts: list[str], shared: str) -> None:
    assert common_lines(texts) == shared


def test_who_can_say_how_likely_a_reply_is() -> None:
    assert isinstance(ScriptedModel([]), Likelihood)
    with OpenAIModel("http://127.0.0.1:9/v1", "m", "") as served:
        assert not isinstance(served, Likelihood)
