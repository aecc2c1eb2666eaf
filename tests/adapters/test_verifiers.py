"""A rollout of verifiers 0.4, its interception server and scoring; the model and the service are scripted."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import verifiers.v1 as vf
from aiohttp import web
from scripted_ces import BAD, FAULT, FUZZY, GOOD, PROSE, script
from verifiers.v1.configs.agent import AgentConfig

from greenloop.ces.adapters.task import EditTask
from greenloop.ces.adapters.verifiers import EditingConfig, EditingTask, EditingTaskset
from greenloop.ces.scripted import ScriptedBackend
from greenloop.records import InputError


class ScriptedTask(EditingTask):
    """Judged by the script."""

    service = ScriptedBackend(script)


class ScriptedTaskset(EditingTaskset):
    """Tasks judged by the script."""

    task = ScriptedTask


@asynccontextmanager
async def model(text: str) -> AsyncIterator[str]:
    """Serve a model that always says ``text``; yields the address of its API."""

    async def complete(_request: web.Request) -> web.Response:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
        return web.json_response(body)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


def taskset(folder: Path, task: EditTask) -> ScriptedTaskset:
    rows = folder / "tasks.jsonl"
    rows.write_text(json.dumps({"prompt": "Make x two.", "edit_task": task.to_json()}) + "\n", encoding="utf-8")
    return ScriptedTaskset(EditingConfig(path=rows))


async def rollout(task: ScriptedTask, text: str) -> vf.Trace:
    async with model(text) as address:
        config = AgentConfig(
            model="m",
            harness={"id": "one-call-harness"},
            runtime={"type": "subprocess"},
            client={"type": "eval", "base_url": address, "api_key_var": "NO_SUCH_KEY"},
        )
        async with vf.Agent(config) as agent:
            return await agent.run(task)


@pytest.mark.parametrize(("text", "reward", "status"), [
    (GOOD, 1.0, "green"),
    (BAD, 0.15, "red"),
    (FUZZY, 0.0, "rejected"),
    (PROSE, 0.0, "rejected"),
])  # fmt: skip
def test_a_rollout_is_rewarded_by_the_policy(
    tmp_path: Path, task: EditTask, text: str, reward: float, status: str
) -> None:
    (one,) = taskset(tmp_path, task)
    trace = asyncio.run(rollout(one, text))
    assert not trace.errors
    assert trace.rewards["ces"].value == reward
    assert trace.metrics["ces_green"] == float(status == "green")
    assert trace.info["ces"]["status"] == status


def test_a_fault_of_the_machine_is_an_error_and_no_reward(tmp_path: Path, task: EditTask) -> None:
    (one,) = taskset(tmp_path, task)
    trace = asyncio.run(rollout(one, FAULT))
    assert trace.last_error is not None
    assert trace.last_error.type == "SandboxError"
    assert "disk of the service is full" in trace.last_error.message
    assert trace.rewards["ces"] is None


def test_the_taskset_is_one_that_verifiers_can_place(tmp_path: Path, task: EditTask) -> None:
    tasks = taskset(tmp_path, task)
    assert ScriptedTaskset.task_type() is ScriptedTask
    (one,) = tasks.take(5)
    assert isinstance(one, ScriptedTask)
    assert one.data.idx == 0
    assert one.data.prompt_text == "Make x two."


def test_a_row_that_is_no_task_is_named(tmp_path: Path) -> None:
    rows = tmp_path / "tasks.jsonl"
    rows.write_text('{"prompt": "p", "edit_task": "{}"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"tasks\.jsonl:1"):
        list(ScriptedTaskset(EditingConfig(path=rows)))
