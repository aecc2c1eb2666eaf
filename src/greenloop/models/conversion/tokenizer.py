"""A ``tokenizer.json`` of byte-level BPE → GGUF's tokenizer keys, and whether it is a base's very own."""

import hashlib
import json
from pathlib import Path
from typing import Any

import gguf

from greenloop.models.conversion.weights import read_json
from greenloop.records import InputError
from greenloop.storage import named_io_errors

TEMPLATE_FILE = "chat_template.jinja"
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
# how a text is cut into words before the merges, as tokenizer.json says it and as llama.cpp calls it
_CUTS: tuple[tuple[str, list[dict[str, Any]]], ...] = (
    ("smollm", [{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL]),
    ("gpt-2", [_BYTE_LEVEL]),
)
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unk", "pad_token": "pad"}
_COPIED = "tokenizer."
_RIGHT_BASE = "name the base that it was trained from"


def write_tokenizer(writer: gguf.GGUFWriter, folder: Path, *, vocabulary: int, like: Path | None = None) -> None:
    """Write the tokenizer in ``folder``, with ``vocabulary`` tokens in all, or copy that of the GGUF ``like``.

    Raises ``InputError`` when it is no byte-level BPE that llama.cpp can follow, lacks a chat template, or has other
    tokens than ``like``.
    """
    if like is not None:
        if (folder / "tokenizer.json").is_file():
            check_same_tokens(folder, like)
        _copy(writer, like)
        return
    path = folder / "tokenizer.json"
    whole = read_json(path)
    tokens, types = _tokens(whole, path, vocabulary)
    config = read_json(folder / "tokenizer_config.json")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cut(whole, path))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(_merges(whole))
    for key, short in _SPECIAL.items():
        text = config.get(key)
        text = text.get("content") if isinstance(text, dict) else text
        if text in tokens:
            getattr(writer, f"add_{short}_token_id")(tokens.index(text))
    writer.add_add_bos_token(bool(config.get("add_bos_token", False)))
    writer.add_add_space_prefix(False)
    writer.add_chat_template(chat_template(folder))


def chat_template(folder: Path) -> str:
    """Return the chat template of a folder's tokenizer. Raises ``InputError`` when it has none."""
    path = folder / TEMPLATE_FILE
    with named_io_errors(path):
        if path.is_file():
            return path.read_text("utf-8")
    found = read_json(folder / "tokenizer_config.json").get("chat_template")
    if not isinstance(found, str) or not found:
        raise InputError(
            f"{folder}: the tokenizer has no chat template", "a model is served by it: save the tokenizer with one"
        )
    return found


def check_same_tokens(folder: Path, base: Path) -> None:
    """Raise ``InputError`` unless the tokenizer in ``folder`` has the tokens, merges and template of the GGUF ``base``.

    How a text is cut into words first is not compared here: transformers does not keep that of a GGUF.
    ``models.conversion.probe`` asks both what they make of a text.
    """
    reader = gguf.GGUFReader(base)
    whole = read_json(folder / "tokenizer.json")
    theirs = list(_contents(reader, "tokenizer.ggml.tokens"))
    ours, _ = _tokens(whole, folder / "tokenizer.json", len(theirs))
    other = f"{folder}: another tokenizer than that of {base.name}: "
    if len(ours) != len(theirs):
        raise InputError(f"{other}{len(ours)} tokens in the place of {len(theirs)}", _RIGHT_BASE)
    for number, (one, another) in enumerate(zip(ours, theirs, strict=True)):
        if one != another:
            raise InputError(f"{other}token {number} is {one!r}, the base's {another!r}", _RIGHT_BASE)
    if _merges(whole) != list(_contents(reader, "tokenizer.ggml.merges")):
        raise InputError(f"{other}its merges differ", _RIGHT_BASE)
    if chat_template(folder).strip() != str(_contents(reader, "tokenizer.chat_template")).strip():
        raise InputError(
            f"{folder}: another chat template than that of {base.name}, which serving uses", "train with the base's own"
        )


def _contents(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    return "" if field is None else field.contents()


def _copy(writer: gguf.GGUFWriter, like: Path) -> None:
    reader = gguf.GGUFReader(like)
    for key, field in reader.fields.items():
        if key.startswith(_COPIED):
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), kind, sub_type=inner)


def _tokens(whole: dict[str, Any], path: Path, vocabulary: int) -> tuple[list[str], list[int]]:
    model = whole.get("model")
    if not isinstance(model, dict) or model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise InputError(f"{path}: no byte-level BPE tokenizer", "only such a tokenizer can be converted")
    found: dict[int, tuple[str, int]] = {
        number: (text, gguf.TokenType.NORMAL) for text, number in model["vocab"].items()
    }
    for added in whole.get("added_tokens") or ():
        kind = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        found[added["id"]] = (added["content"], kind)
    if max(found, default=0) >= vocabulary:
        raise InputError(f"{path}: {len(found)} tokens, the model has {vocabulary}", "is it this model's tokenizer?")
    unused = gguf.TokenType.UNUSED
    listed = [found.get(number, (f"[PAD{number}]", unused)) for number in range(vocabulary)]
    return [text for text, _ in listed], [int(kind) for _, kind in listed]


def _merges(whole: dict[str, Any]) -> list[str]:
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in whole["model"].get("merges") or ()]


def _cut(whole: dict[str, Any], path: Path) -> str:
    found = whole.get("pre_tokenizer") or {}
    steps = found.get("pretokenizers", [found])
    plain = [{key: value for key, value in step.items() if key != "trim_offsets"} for step in steps]
    for name, wanted in _CUTS:
        if plain == wanted and not whole.get("normalizer"):
            return name
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:8]
    raise InputError(
        f"{path}: it cuts texts into words in a way that has no name in llama.cpp here ({digest})",
        "name the GGUF that the model was trained from, whose tokenizer is then taken over",
    )
