"""A small random Llama with SmolLM2's tokenizer, and a LoRA of it that PEFT wrote."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import pytest

from greenloop.models.local import find_smollm2

os.environ["HF_HUB_OFFLINE"] = "1"

import tokenizers
import torch
import xllamacpp
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Tiny:
    """The model in a Hugging Face folder, and its adapter in a PEFT folder."""

    folder: Path
    adapter: Path

    def model(self, *, adapted: bool = False) -> Any:
        """Load it with transformers, with its adapter or without."""
        model = LlamaForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        if adapted:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, self.adapter)
        return model.eval()

    def merged(self, folder: Path) -> Path:
        """Write the model with its adapter merged into it."""
        self.model(adapted=True).merge_and_unload().save_pretrained(folder)
        self.tokenizer().save_pretrained(folder)
        return folder

    def tokenizer(self) -> Any:
        """Load its tokenizer with transformers."""
        return PreTrainedTokenizerFast.from_pretrained(self.folder)


def smollm2_tokenizer() -> PreTrainedTokenizerFast:
    """Make transformers' tokenizer of what the GGUF says, cutting digits apart as llama.cpp does."""
    fields = gguf.GGUFReader(find_smollm2()).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    made = tokenizers.Tokenizer(tokenizers.models.BPE({text: i for i, text in enumerate(tokens)}, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.Digits(individual_digits=True), tokenizers.pre_tokenizers.ByteLevel(False)]
    )
    made.decoder = tokenizers.decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"].contents()
    made.add_special_tokens([text for text, kind in zip(tokens, types, strict=True) if kind == gguf.TokenType.CONTROL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<|endoftext|>",
        pad_token="<|im_end|>",
        chat_template=fields["tokenizer.chat_template"].contents(),
    )


def random_llama(tokenizer: PreTrainedTokenizerFast, *, tied: bool) -> Any:
    """Make a model whose greedy replies are of plain characters, so that texts can be compared."""
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rope_theta=100_000.0,
        tie_word_embeddings=tied,
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config)
    if not tied:
        plain = [
            token.isascii() and token.isalnum() for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        ]
        with torch.no_grad():
            model.lm_head.weight[~torch.tensor(plain)] = 0.0
    return model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    made = Tiny(folder / "model", folder / "adapter")
    tokenizer = smollm2_tokenizer()
    model = random_llama(tokenizer, tied=False)
    model.save_pretrained(made.folder)
    tokenizer.save_pretrained(made.folder)
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            # B is zero in a new LoRA, which would change nothing
            if "lora_B" in name:
                weight.normal_(std=0.3)
    adapted.save_pretrained(made.adapter)
    return made


@dataclass(frozen=True)
class Runtime:
    """llama.cpp itself, asked by token ids."""

    server: Any

    def greedy(self, prompt: list[int], count: int) -> tuple[list[int], list[dict[int, float]]]:
        """Return the tokens of greedy decoding, and of each step the ten likeliest, id → log probability."""
        answer = self.server.handle_completions(
            {"prompt": prompt, "n_predict": count, "temperature": 0.0, "n_probs": 10, "cache_prompt": False}
        )
        steps = answer["choices"][0]["logprobs"]["content"]
        tops = [{one["id"]: one["logprob"] for one in step["top_logprobs"]} for step in steps]
        return [step["id"] for step in steps], tops


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    servers: list[Any] = []

    def start(model: Path, adapter: Path | None = None) -> Runtime:
        settings = xllamacpp.CommonParams()
        settings.model.path = str(model)
        settings.hostnames = [str(tmp_path_factory.mktemp("s") / "s.sock")]
        settings.n_ctx, settings.n_parallel, settings.cache_ram_mib = 256, 1, 0
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
        settings.verbosity, settings.warmup = -1, False
        if adapter is not None:
            lora = xllamacpp.CommonAdapterLoraInfo()
            lora.path, lora.scale = str(adapter), 1.0
            settings.lora_adapters = [lora]
        servers.append(xllamacpp.Server(settings))
        return Runtime(servers[-1])

    yield start
    servers.clear()


def altered(folder: Path, file: str, target: Path, **changes: object) -> Path:
    """Return a copy of a folder's files with some keys of a JSON file changed."""
    target.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())
    (target / file).write_text(json.dumps({**json.loads((folder / file).read_text()), **changes}))
    return target
