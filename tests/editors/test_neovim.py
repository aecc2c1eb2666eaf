"""The real Neovim plays the corpus: headless, and some of it by keys on a terminal."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.editors import neovim_driver, neovim_keys, thin
from tests.editors.scenario import Bytes, Decide, Fix, Tool, names, scenario
from tests.editors.stage import Job, Report, Stage
from tests.editors.tmux import screen

from greenloop.aid.wire.framing import Framer

WRITTEN = sorted(neovim_driver.LAYER.rglob("*.lua"))
FAST = ("dirty-buffer", "crlf", "hunk-refused", "sidecar-killed", "stale-base", "undo")
BY_KEYS = (
    "cancel", "conversation", "dirty-buffer", "edited-in-mid-turn", "file-refused", "fix-error", "red-suggestion",
    "rename", "sidecar-killed", "stale-base", "tool", "undo",
)  # fmt: skip


def _slow(*found: str) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.editors) for name in found]


@pytest.mark.parametrize("name", [*FAST, *_slow(*(name for name in names() if name not in FAST))])
def test_it_plays_the_scenario(name: str, stage: Stage) -> None:
    stage.play(name, scenario(name), neovim_driver.drive)


@pytest.mark.parametrize("name", ["hunk-refused", *_slow(*BY_KEYS)])
def test_a_person_plays_it_by_keys(name: str, stage: Stage) -> None:
    stage.play(f"{name}-keys", scenario(name), neovim_keys.drive)


FLOOR = Path(__file__).resolve().parents[2] / ".images" / "neovim-0.10" / "nvim"


def test_the_floor_is_the_oldest_neovim_that_the_layer_names() -> None:
    _demand_floor()
    said = subprocess.run([FLOOR, "--version"], check=True, capture_output=True, text=True).stdout
    assert said.startswith("NVIM v0.10.")


@pytest.mark.parametrize("name", ["dirty-buffer", *_slow(*(name for name in names() if name != "dirty-buffer"))])
def test_the_oldest_neovim_plays_it(name: str, stage: Stage) -> None:
    _demand_floor()
    stage.play(f"{name}-010", scenario(name), lambda job: neovim_driver.drive(job, FLOOR))


def _demand_floor() -> None:
    if not FLOOR.exists():
        pytest.skip("Neovim 0.10 is not here: run scripts/neovim_floor.sh")


def test_it_is_thin() -> None:
    assert len(WRITTEN) > 1
    assert thin.lines(WRITTEN) <= thin.MOST_LINES, {file.name: thin.lines([file]) for file in WRITTEN}


def test_it_holds_nothing_that_belongs_to_the_sidecar() -> None:
    assert thin.logic(WRITTEN) == []


@pytest.mark.parametrize(
    "line",
    [
        'vim.system({ "curl", address })',
        "vim.uv.new_tcp()",
        'model = "qwen2.5-coder"',
        'local prompt = "You are a programmer"',
        "params.temperature = 0.2",
        "for _, hunk in ipairs(vim.diff(old, new)) do",
        "vim.o.errorformat = form",
        'vim.system({ "dune build" })',
    ],
)
def test_what_belongs_to_the_sidecar_would_be_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "layer.lua").write_text(f"local M = {{}}\n{line}\n")
    assert thin.logic([tmp_path / "layer.lua"]) == [f"layer.lua: {line}"]


def test_the_help_file_is_what_the_layer_says() -> None:
    script = neovim_driver.HERE.parents[2] / "scripts" / "neovim_help.lua"
    ran = subprocess.run(
        [neovim_driver.NVIM, "--clean", "-l", script, "--check"], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("nvim", [neovim_driver.NVIM, FLOOR], ids=["newest", "oldest"])
def test_what_the_corpus_does_not_reach(nvim: Path, tmp_path: Path) -> None:
    _demand_floor()
    words = ["--clean", "--headless", "-c", f"luafile {neovim_driver.HERE / 'checks.lua'}"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path), "GREENLOOP_NVIM": str(nvim)}
    ran = subprocess.run([nvim, *words], check=False, capture_output=True, text=True, env=environment, cwd=tmp_path)
    said = ran.stdout + ran.stderr
    assert "FAILED" not in said, said
    assert "checked 28" in said, said


@pytest.mark.parametrize("drive", [neovim_driver.drive, neovim_keys.drive], ids=["headless", "by-keys"])
def test_an_argument_of_a_tool_holds_spaces(drive: Callable[[Job], Report], stage: Stage) -> None:
    story = scenario("tool")
    owner = "till and the desk"
    steps = tuple(
        step.model_copy(update={"arguments": step.arguments | {"owner": owner}}) if isinstance(step, Tool) else step
        for step in story.steps
    )
    expect = story.expect.model_copy(
        update={"told": (f"{owner} owns price.ml",), "disk": {"OWNERS": f"price.ml {owner}\n"}}
    )
    stage.play(
        f"tool-spaces-{drive.__module__[-4:]}", story.model_copy(update={"steps": steps, "expect": expect}), drive
    )


def test_a_change_of_the_name_alone_is_accepted_by_itself(stage: Stage) -> None:
    story = scenario("rename")
    alone = Decide(do="accept", path="price.ml")
    steps = (*story.steps[:-1], alone, story.steps[-1])
    expect = story.expect.model_copy(update={"funnel": ("shown", "accepted", "accepted")})
    stage.play("rename-alone", story.model_copy(update={"steps": steps, "expect": expect}), neovim_driver.drive)


def test_a_question_that_is_taken_back_leaves_the_screen(tmp_path: Path) -> None:
    nvim = neovim_driver.NVIM  # the oldest one is run by its loader, so that it has no terminal
    settled = tmp_path / "settled"
    asked = {"tool": "team.say", "arguments": {}, "why": "it may write"}
    news = [
        {"id": "s:1:1", "method": "approval/request", "params": asked},
        {"behind": str(settled), "method": "$/cancelRequest", "params": {"id": "s:1:1"}},
    ]
    answers = tmp_path / "answers"
    workspace = {"workspace": "w", "root": str(tmp_path), "trusted": True}
    told = {"workspace/open": {"result": workspace}, "tools/call": {"result": {"text": "said"}, "news": news}}
    answers.write_text(
        json.dumps(told | {"tools/list": {"result": {"tools": [{"name": "team.say", "blocked": "", "arguments": {}}]}}})
    )
    bridge = neovim_driver.HERE / "bridge.lua"
    init = tmp_path / "init.lua"
    command = json.dumps([str(nvim), "--clean", "-l", str(bridge), str(answers), str(tmp_path / "log")])
    init.write_text(
        f"vim.opt.runtimepath:prepend({str(neovim_driver.LAYER)!r})\n"
        f"require('greenloop').setup({{ command = vim.json.decode([==[{command}]==]) }})\n"
    )
    environment = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    with screen(tmp_path, [str(nvim), "--clean", "-u", str(init)], environment) as on:
        on.until("[No Name]")
        on.type(":Greenloop tool team.say")
        on.keys("Enter")
        on.until("Type number")
        settled.touch()
        on.until(lambda shown: "Type number" not in shown and "The question was taken back" in shown)
        # and keys are the person's again
        on.type("ihere again")
        on.until("here again")


def test_a_selection_and_the_problems_that_the_person_sees_are_sent(stage: Stage, tmp_path: Path) -> None:
    wire = tmp_path / "wire"

    def drive(job: Job) -> Report:
        # the real bridge, with a record of what Neovim says to it
        words = ("sh", "-c", f'tee -a {wire} | "$@"', "sh", *job.command)
        with neovim_keys.seated(job.model_copy(update={"command": words})) as person:
            for step in job.steps:
                if isinstance(step, Fix):
                    # the range of a selection in Visual mode stands before the command by itself
                    person.on.type("3GVj:Greenloop fix")
                    person.on.keys("Enter")
                    person.on.until("### type-checks")
                else:
                    person.take(step)
            return person.report()

    stage.play("selection", scenario("fix-error"), drive)
    framer = Framer()
    bodies = [json.loads(body) for body in framer.feed(wire.read_bytes())]
    request = next(body["params"] for body in bodies if body.get("method") == "turn/start")
    assert request["place"]["selection"] == {
        "start": {"line": 2, "column": 0},
        "end": {"line": 3, "column": 0},
    }
    assert [problem["range"]["start"]["line"] for problem in request["seen"]] == [4]


def test_what_the_editors_own_undo_takes_back_is_reported(stage: Stage) -> None:
    story = scenario("crlf")
    # the file was saved with the change; the buffer is as before, and not saved
    after = story.expect.model_copy(
        update={"funnel": (*story.expect.funnel, "undone"), "unsaved": {"price.ml": Bytes()}}
    )

    def drive(job: Job) -> Report:
        with neovim_keys.seated(job) as person:
            for step in job.steps:
                person.take(step)
            person.on.type("u")
            person.on.until("Taken back.")
            return person.report()

    stage.play("own-undo", story.model_copy(update={"expect": after}), drive)
