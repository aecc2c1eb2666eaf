"""The base model as a Hugging Face folder: one that is there, or made once from a GGUF file and kept."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from greenloop.models import shipped
from greenloop.models.gguf import check_gguf
from greenloop.models.identity import folder_sha256
from greenloop.models.local import find_smollm2
from greenloop.records import BaseModelCard, InputError
from greenloop.storage import named_io_errors, sha256_of
from greenloop.training import segments

WEIGHTS = ".safetensors"
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
"""Endings of weights that run code when they are read."""
_RANDOM = "random-2-layer-1"
_DONE = "done"
# how llama.cpp cuts text before merging, by the name in a GGUF's `tokenizer.ggml.pre`; transformers reads none of it
# and always takes GPT-2's way, which gives other ids to digits after two spaces
_PRE_TOKENIZERS = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "smollm": lambda: pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class Base:
    """A base model in ``folder``: config, safetensors and a tokenizer with a chat template."""

    name: str
    folder: Path
    sha256: str

    def card(self, tokenizer: Any) -> BaseModelCard:
        """Return what a run card says of it."""
        return BaseModelCard(name=self.name, sha256=self.sha256, tokenizer_sha256=tokenizer_sha256(tokenizer))


def find_base(model: str, cache: Path, tell: Callable[[str], None] = lambda _line: None) -> Base:
    """Return the base that a recipe names by ``model``; what has to be made for it lies in ``cache`` from then on.

    ``tell`` takes a line for people when something has to be made, which takes half a minute of CPU time.

    Raises ``InputError`` when there is none, its weights are a pickle, or it needs code of its own; ``ModelError`` when
    a GGUF file is damaged or the embedded model is not installed.
    """
    if model == "random":
        source = find_smollm2()
        digest = hashlib.sha256(f"{_RANDOM} {sha256_of(source)} {torch.__version__}".encode()).hexdigest()
        return Base(model, made_once(cache / digest, lambda folder: _make_random(source, folder)), digest)
    path = find_smollm2() if model == shipped.BASE else Path(model)
    if path.is_dir():
        check_folder(path)
        return Base(path.name, path, folder_sha256(path))
    if path.suffix in PICKLES:
        raise InputError(f"{path}: weights in a pickle run code when they are read", "convert them to safetensors")
    if not path.is_file():
        raise InputError(
            f"{model}: there is no such model on this machine, and none is fetched",
            "give a Hugging Face folder (`hf download NAME --local-dir FOLDER` makes one), a GGUF file, or `smollm2`",
        )
    check_gguf(path)
    digest = sha256_of(path)
    if not (cache / digest).is_dir():
        tell(f"making weights of {path.name} that can be trained: this is done once")
    folder = made_once(cache / digest, lambda made: _dequantise(path, made))
    return Base(model if model == shipped.BASE else path.name, folder, digest)


def check_folder(folder: Path) -> None:
    """Raise ``InputError`` unless ``folder`` holds a model in safetensors that needs no code of its own."""
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(f"{folder}: no model here: config.json is missing", "give a Hugging Face folder or a GGUF")
    with named_io_errors(config):
        content = config.read_bytes()
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InputError(f"{config}: not JSON: {error}", "fetch the model again") from error
    if "auto_map" in found:
        raise InputError(
            f"{folder}: this model needs code of its own (auto_map in config.json), which is never run",
            "choose a model of an architecture that transformers knows",
        )
    check_weights(folder)


def check_weights(folder: Path) -> None:
    """Raise ``InputError`` unless there are weights in ``folder`` and they are safetensors."""
    names = sorted(path.name for path in folder.iterdir())
    if any(name.endswith(WEIGHTS) for name in names):
        return
    pickled = [name for name in names if Path(name).suffix in PICKLES]
    if pickled:
        raise InputError(
            f"{folder / pickled[0]}: weights in a pickle run code when they are read", "convert them to safetensors"
        )
    raise InputError(f"{folder}: no weights here: no file ends in {WEIGHTS}", "fetch the model again")


def load_tokenizer(base: Base) -> Any:
    """Return the tokenizer. Raises ``InputError`` when there is none, or it has no chat template."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(base.folder), trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{base.folder}: its tokenizer cannot be read: {error}", "fetch the model again") from error
    if not tokenizer.chat_template:
        raise InputError(
            f"{base.name}: this model has no chat template, so nobody knows how it is asked",
            "take its instruction-tuned version, or put a chat_template.jinja into its folder",
        )
    return tokenizer


def load_model(base: Base, *, dtype: Any, attention: str) -> Any:
    """Return the model with its weights in ``dtype``, on the CPU. Raises ``InputError`` when they cannot be read."""
    segments.register()
    try:
        return AutoModelForCausalLM.from_pretrained(
            str(base.folder),
            dtype=dtype,
            attn_implementation=attention,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{base.folder}: the model cannot be loaded: {error}", "is the folder whole?") from error


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return the sum of what decides token ids: vocabulary, merges, how text is cut, and the chat template."""
    parts = [tokenizer.backend_tokenizer.to_str(), str(tokenizer.chat_template)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return ``folder``, made when it is not there; a kill while it is made leaves nothing that looks whole."""
    if folder.is_dir():
        return folder
    with named_io_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{_DONE}-", dir=folder.parent))
        try:
            make(scratch)
            if not folder.is_dir():
                scratch.chmod(0o755)
                scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _dequantise(source: Path, target: Path) -> None:
    tokenizer = _gguf_tokenizer(source)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(source.parent),
            gguf_file=source.name,
            dtype=torch.bfloat16,
            quantization_config=transformers.GgufConfig(dequantize=True),
            local_files_only=True,
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        raise InputError(
            f"{source}: transformers cannot read this GGUF: {error}", "give the model as a Hugging Face folder"
        ) from error
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _gguf_tokenizer(source: Path) -> Any:
    field = GGUFReader(str(source)).get_field("tokenizer.ggml.pre")
    pre = str(field.contents()) if field is not None else ""
    if pre not in _PRE_TOKENIZERS:
        raise InputError(
            f"{source}: its way to cut text ({pre or 'none named'}) is not known to give the token ids of serving",
            f"give the model as a Hugging Face folder; known for GGUF: {', '.join(sorted(_PRE_TOKENIZERS))}",
        )
    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name, local_files_only=True)
    tokenizer.backend_tokenizer.pre_tokenizer = _PRE_TOKENIZERS[pre]()
    return tokenizer


def _make_random(source: Path, target: Path) -> None:
    tokenizer = _gguf_tokenizer(source)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        # embeddings large enough for an adapter to tell tokens apart by them, as they stay as they are
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def context_tokens(base: Base) -> int:
    """Return how many tokens the model was made for."""
    config = AutoConfig.from_pretrained(str(base.folder), trust_remote_code=False, local_files_only=True)
    return int(getattr(config, "max_position_embeddings", 0) or 0)
