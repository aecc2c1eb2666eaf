"""Reading a folder's weights and its JSON files. Safetensors only: a pickle runs code when it is read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from greenloop.records import InputError
from greenloop.storage import named_io_errors

Array = NDArray[np.floating[Any]]

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""How the names of files end that hold weights as a pickle."""
_DTYPES: dict[str, type[np.floating[Any]]] = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file. Raises ``InputError`` when it is missing or holds none."""
    with named_io_errors(path):
        if not path.is_file():
            raise InputError(f"{path}: no such file", f"is {path.parent} the folder that training wrote?")
        content = path.read_bytes()
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}", "was the file cut short?") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON object", "give the file that training wrote")
    return found


def refuse_pickle(path: Path) -> None:
    """Raise ``InputError`` when ``path`` is named like weights in pickle, or a folder of such weights alone."""
    with named_io_errors(path):
        files = [path] if not path.is_dir() else sorted(path.iterdir())
    pickled = [file.name for file in files if file.suffix in PICKLED and file.name != "training_args.bin"]
    if pickled and not any(file.suffix == ".safetensors" for file in files):
        raise InputError(
            f"{path}: weights in pickle are refused ({pickled[0]}): reading them runs code",
            "save the weights again as safetensors",
        )


def read_weights(folder: Path, stem: str) -> Iterator[tuple[str, Array]]:
    """Yield name → tensor of ``STEM.safetensors`` in ``folder``, or of the parts that its index names.

    bfloat16, which numpy does not have, comes as float32, exactly. Raises ``InputError`` when the file is missing or
    damaged, in pickle, or a tensor is not of floating point or not finite.
    """
    refuse_pickle(folder)
    index = folder / f"{stem}.safetensors.index.json"
    names = [f"{stem}.safetensors"]
    if index.is_file():
        parts = read_json(index).get("weight_map")
        if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
            raise InputError(f"{index}: names no files of weights", "save the model again")
        names = sorted(set(parts.values()))
    for name in names:
        path = folder / name
        if path.parent != folder:
            raise InputError(f"{index}: names a file outside of its folder: {name}", "save the model again")
        yield from _read(path)


def _read(path: Path) -> Iterator[tuple[str, Array]]:
    with named_io_errors(path):
        if not path.is_file():
            raise InputError(f"{path}: no such file", "give a folder with its weights as safetensors")
        content = path.read_bytes()
    try:
        found = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file: {error}", "save the weights again") from error
    for name, part in found:
        yield name, _array(path, name, part)


def _array(path: Path, name: str, part: dict[str, Any]) -> Array:
    kind = part["dtype"]
    if kind == "BF16":
        halves = np.frombuffer(part["data"], dtype=np.uint16).astype(np.uint32)
        array: Array = (halves << 16).view(np.float32)
    elif kind in _DTYPES:
        array = np.frombuffer(part["data"], dtype=_DTYPES[kind])
    else:
        raise InputError(f"{path}: {name} is of type {kind}, not of floating point", "save the weights unquantised")
    if not np.isfinite(array).all():
        raise InputError(f"{path}: {name} holds numbers that are not finite", "did the training's loss become NaN?")
    return array.reshape(part["shape"])


def as_f16(path: Path, name: str, array: Array) -> NDArray[np.float16]:
    """Return the tensor in half precision. Raises ``InputError`` where a number is too large for it."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    if not np.isfinite(half).all():
        raise InputError(f"{path}: {name} holds numbers too large for half precision", "convert it to f32")
    return half
