"""Asking the runtime itself whether it reads a text as training did."""

from pathlib import Path

import tokenizers

from greenloop.models.local import LocalModel
from greenloop.records import InputError
from greenloop.storage import named_io_errors

TEXT = (
    "let rec fact n = if n <= 1 then 1 else n * fact (n - 1) (* 10! = 3628800 *)\n\n"
    "\tFile \"bin/main.ml\", line 127, characters 14-19:\r\n  Error: it's of type 'a list -> int32\n"
    "  12 |   345 | \t6\n"
    "x0FF 1_000.5e-10 \u00e9t\u00e9 na\u00efve \u4f60\u597d \U0001f600   \n>>>>\n====\n<<<<    end;;"
)
"""Digits, indentation, quotes, accents and other scripts: where cuts of texts into words differ."""


def check_same_ids(folder: Path, model: LocalModel) -> None:
    """Raise ``InputError`` unless the tokenizer in ``folder`` and the served model make the same tokens of ``TEXT``.

    Two tokenizers with the same tokens and merges still differ where they cut texts into words differently, as they do
    once transformers has read one from a GGUF; a model trained so would be served another text than it learned.
    """
    path = folder / "tokenizer.json"
    with named_io_errors(path):
        content = path.read_text("utf-8")
    try:
        trained = tokenizers.Tokenizer.from_str(content)
    # the library raises no narrower class
    except Exception as error:
        raise InputError(f"{path}: no tokenizer that can be read: {error}", "save the tokenizer again") from error
    for text in TEXT.splitlines(keepends=True):
        ours = trained.encode(text, add_special_tokens=False).ids
        served = list(model.tokenize(text))
        if ours != served:
            at = next((i for i, (one, other) in enumerate(zip(ours, served, strict=False)) if one != other), 0)
            raise InputError(
                f"{folder}: its tokenizer reads a text otherwise than {model.path.name} does when it is served: "
                f"{text.strip()!r} is {len(ours)} tokens in the place of {len(served)}, differing from token {at} on",
                "train with a tokenizer that cuts texts into words as the base's own does",
            )
