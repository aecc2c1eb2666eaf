"""What a prompt asks for."""

from pathlib import Path

import pytest
from acp.helpers import (
    embedded_text_resource,
    image_block,
    resource_block,
    resource_link_block,
    text_block,
)
from acp.schema import EmbeddedResourceContentBlock

from greenloop.aid.acp.wish import wish_of


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "fix"),
        ("  \n", "fix"),
        ("fix", "fix"),
        ("/fix", "fix"),
        ("Please fix that error.", "fix"),
        ("fix what is red", "fix"),
        ("repair the broken build!", "fix"),
        ("fix the rounding of totals", "ask"),
        ("return an option", "ask"),
        ("prefix all names", "ask"),
    ],
)
def test_only_a_prompt_that_says_no_more_is_a_fix(said: str, kind: str, tmp_path: Path) -> None:
    assert wish_of([text_block(said)], tmp_path).kind == kind


def test_files_of_the_workspace_are_named_and_other_texts_become_words(tmp_path: Path) -> None:
    def embedded(uri: str, text: str) -> EmbeddedResourceContentBlock:
        return resource_block(embedded_text_resource(uri, text))

    wish = wish_of(
        [
            text_block("use this"),
            resource_link_block("a b.ml", f"{tmp_path.as_uri()}/lib/a%20b.ml"),
            embedded(f"{tmp_path.as_uri()}/whole.ml", "let x = 1\n"),
            embedded(f"{tmp_path.as_uri()}/part.ml#L3:4", "let y = 2\n"),
            embedded("file:///elsewhere/z.ml", "let z = 3\n"),
            resource_link_block("page", "https://example.org/page"),
            image_block("AAAA", "image/png"),
        ],
        tmp_path,
    )
    assert dict(wish.files) == {"lib/a b.ml": None, "whole.ml": "let x = 1\n", "part.ml": None}
    assert wish.kind == "ask"
    assert "let y = 2" in wish.text
    assert "file:///elsewhere/z.ml" in wish.text
    assert "https://example.org/page" in wish.text
    assert "let x = 1" not in wish.text
    assert wish.left_out == ("a part of the kind 'image' is left out: only text is read",)


def test_a_file_that_is_named_in_words_alone(tmp_path: Path) -> None:
    # as CodeCompanion.nvim sends `#{buffer}`
    shared = text_block(f"Sharing the following file as context: {tmp_path}/lib/a.ml")
    buffer = f"file `{tmp_path}/lib/a.ml` (with buffer number: 3)"
    wish = wish_of([shared, text_block(f"{buffer} fix that error")], tmp_path)
    assert (wish.kind, dict(wish.files)) == ("fix", {"lib/a.ml": None})
    wish = wish_of([shared, text_block(f"rename the sum of {buffer}")], tmp_path)
    assert (wish.kind, wish.text, dict(wish.files)) == ("ask", "rename the sum of lib/a.ml", {"lib/a.ml": None})
    elsewhere = "Sharing the following file as context: /elsewhere/a.ml"
    wish = wish_of([text_block(elsewhere)], tmp_path)
    assert (wish.kind, wish.text, wish.files) == ("ask", elsewhere, {})
