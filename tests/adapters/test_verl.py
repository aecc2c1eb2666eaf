"""verl 0.9 loads the function from a file, as its configuration names it, and its reward managers call it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import uvicorn
from omegaconf import OmegaConf
from scripted_ces import BAD, FAULT, FUZZY, GOOD, PROSE, script
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from verl import DataProto
from verl.trainer.ppo.reward import load_reward_manager

from greenloop.ces.adapters.task import EditTask
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks
from greenloop.ces.server.app import create_app
from greenloop.ces.server.door import Door
from greenloop.records import InfrastructureError

REPLIES = (GOOD, BAD, FUZZY, FAULT, PROSE)
FILE = """
from scripted_ces import script
from greenloop.ces.adapters.verl import scorer
from greenloop.ces.policy import reward
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks

compute_score = scorer(ScriptedBackend(script), reward)
"""


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose every token is a whole reply."""
    vocabulary = {"<pad>": 0} | {text: index for index, text in enumerate(REPLIES, start=1)}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>")),
        pad_token="<pad>",
        eos_token="<pad>",
    )


@pytest.fixture(params=["naive", "dapo"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Iterator[Any]:
    """The reward manager of verl, as its trainer makes it."""
    file = tmp_path / "my_reward.py"
    file.write_text(FILE, encoding="utf-8")
    config = OmegaConf.create({
        "reward": {
            "reward_manager": {"source": "register", "name": request.param},
            "custom_reward_function": {"path": str(file), "name": "compute_score"},
            "reward_kwargs": {"overlong_buffer_cfg": None, "max_resp_len": None},
        },
    })  # fmt: skip
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield load_reward_manager(config, tokenizer)
    loop.close()


def batch(index: int, task: EditTask) -> DataProto:
    """One prompt of two tokens and the reply ``index``, as a rollout leaves them."""
    return DataProto.from_dict(
        tensors={
            "prompts": torch.tensor([[0, 0]]),
            "responses": torch.tensor([[index]]),
            "attention_mask": torch.ones(1, 3, dtype=torch.long),
        },
        non_tensors={
            "data_source": np.array(["greenloop"], dtype=object),
            "reward_model": np.array([{"ground_truth": task.to_json()}], dtype=object),
            "extra_info": np.array([{}], dtype=object),
        },
    )


@pytest.mark.parametrize(("text", "score", "status"), [
    (GOOD, 1.0, "green"),
    (BAD, 0.15, "red"),
    (FUZZY, 0.0, "rejected"),
    (PROSE, 0.0, "rejected"),
])  # fmt: skip
def test_the_manager_scores_by_the_policy(manager: Any, task: EditTask, text: str, score: float, status: str) -> None:
    scored = manager.loop.run_until_complete(manager.run_single(batch(REPLIES.index(text) + 1, task)))
    assert scored["reward_score"] == score
    assert scored["reward_extra_info"]["acc"] == float(status == "green")
    assert scored["reward_extra_info"]["status"] == status
    tensor = manager.assemble_rm_scores(batch(1, task), [scored["reward_score"]])
    assert tensor.tolist() == [[pytest.approx(score)]]


def test_a_fault_of_the_machine_ends_the_step(manager: Any, task: EditTask) -> None:
    with pytest.raises(InfrastructureError, match="disk of the service is full"):
        manager.loop.run_until_complete(manager.run_single(batch(REPLIES.index(FAULT) + 1, task)))


def test_a_service_is_scored_by_its_address(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, task: EditTask) -> None:
    async def run() -> Any:
        door = Door(ScriptedBackend(script), ScriptedBooks(), lambda _pack: (), tmp_path)
        door.readiness.ready = True
        socket = tmp_path / "ces.sock"
        server = uvicorn.Server(uvicorn.Config(create_app(door), uds=str(socket), log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        config = OmegaConf.create({
            "reward": {
                "reward_manager": {"source": "register", "name": "naive"},
                "custom_reward_function": {
                    "path": "pkg://greenloop.ces.adapters.verl",
                    "name": "compute_score",
                    "reward_kwargs": {"address": str(socket)},
                },
            },
        })  # fmt: skip
        manager = load_reward_manager(config, tokenizer)
        try:
            return await manager.run_single(batch(REPLIES.index(BAD) + 1, task))
        finally:
            server.should_exit = True
            await serving

    scored = asyncio.run(run())
    assert scored["reward_score"] == 0.15
    assert scored["reward_extra_info"]["status"] == "red"
