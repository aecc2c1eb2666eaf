"""``greenloop aid endpoint`` as a person uses it, with a sidecar that is really started."""

import json
import os
from pathlib import Path

import httpx
import openai
import pytest
from tests.cli.conftest import PATIENCE, Run


def test_it_is_off_until_the_settings_ask_for_it(aid: Run, home: Path) -> None:
    off = aid("endpoint")
    assert off.returncode == 2
    assert "openai_endpoint = true" in off.stderr
    assert aid("start").returncode == 0
    (home / "greenloop.toml").write_text("[aid]\nopenai_endpoint = true\n")
    # the sidecar that runs knows nothing of it yet, and has no port
    running = aid("endpoint")
    assert running.returncode == 2
    assert "greenloop aid restart" in running.stderr
    assert not (home / "aid/openai.token").exists()


def test_address_and_token_lead_to_the_sidecar_until_it_ends(aid: Run, home: Path, tmp_path: Path) -> None:
    # a workspace that is not trusted has no say in which model is asked
    model = f'[model]\nname = "scripted:{tmp_path / "script.json"}"\n'
    (home / "greenloop.toml").write_text(f"[aid]\nopenai_endpoint = true\n{model}")
    printed = aid("endpoint")
    assert printed.returncode == 0, printed.stderr
    told = json.loads(aid("endpoint", "--json").stdout)
    token = Path(told["token_file"]).read_text().strip()
    assert set(told) == {"base_url", "token_file"}
    assert told["base_url"] in printed.stdout
    assert token not in printed.stdout
    assert token in aid("endpoint", "--show-token").stdout

    with openai.OpenAI(base_url=told["base_url"], api_key=token, max_retries=0, timeout=PATIENCE) as client:
        assert [one.id for one in client.models.list()] == ["greenloop"]
        project = tmp_path / "project"
        project.mkdir()
        (project / "a.ml").write_text("let x = 1\n")
        reply = "a.ml\n<<<<\nlet x = 1\n====\nlet x = 2\n>>>>\n"
        (tmp_path / "script.json").write_text(json.dumps({"replies": [reply]}))
        answer = client.chat.completions.create(
            model=f"greenloop:{project}", messages=[{"role": "user", "content": "make x two"}]
        )
        text = answer.choices[0].message.content or ""
        assert "+let x = 2" in text
        assert "unverified: the workspace is not trusted" in text
        # what was sent is explained under the answer's name
        assert "make x two" in aid("explain", answer.id.removeprefix("chatcmpl-")).stdout

    assert aid("stop").returncode == 0
    assert not Path(told["token_file"]).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{told['base_url']}/models", trust_env=False)


def test_without_its_server_the_sidecar_says_what_to_install(aid: Run, home: Path, tmp_path: Path) -> None:
    (home / "greenloop.toml").write_text("[aid]\nopenai_endpoint = true\n")
    # an installation without the extra, as far as an import can tell
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('No module named uvicorn', name='uvicorn')\n")
    missing = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = aid("start", env={"PYTHONPATH": missing})
    assert said.returncode != 0
    words = " ".join(said.stderr.split())
    assert "uvicorn is not installed" in words
    assert "pip install 'greenloop[ces]'" in words
    assert aid("status").returncode == 1
