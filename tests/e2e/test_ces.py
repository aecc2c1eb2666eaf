"""The evaluation service by the commands that people type, with the real compiler in the real sandbox."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenloop.ces.client import Client
from greenloop.records import EnvironmentFault, Evaluation, EvaluationRequest, InputError, Status, Suite

pytestmark = [
    pytest.mark.e2e,
    # httpcore forgets to close a Unix socket that it could not connect
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "a-token-for-the-tests-0123456789"


@pytest.fixture
def check(tmp_path: Path, project: Any) -> Run:
    """Return a function that runs ``greenloop ces …`` in the project, with text on its standard input."""

    def run(*words: str, given: str | bytes = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), "ces", *words]
        content = given if isinstance(given, bytes) else given.encode()
        done = subprocess.run(
            command, input=content, capture_output=True, cwd=cwd or project.root, check=False, timeout=240
        )
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def test_a_diff_is_judged_where_nobody_serves(check: Run, project: Any, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    green = check("check", given=project.diff())
    assert green.returncode == 0, green.stdout + green.stderr
    assert green.stdout.startswith(" green ")
    assert "tests: 1 passed" in green.stdout
    red = check("check", given=project.diff(other="let add x y = x - y"))
    assert red.returncode == 1
    assert "✗ calc/add/0/adds" in red.stdout
    typed = check("check", "--suite", "check", given=project.diff('let twice x = x + "2"'))
    assert typed.returncode == 1
    assert "lib/calc.ml:2:19: error: This expression has type string" in typed.stdout
    again = check("check", "--json", given=project.diff())
    assert again.returncode == 0
    told = Evaluation.from_json(again.stdout)
    assert told.green
    assert told.seen_before
    assert told.sandboxed
    misfit = check("check", "--json", given=project.diff().replace("2 * x", "3 * x"))
    assert misfit.returncode == 1
    assert Evaluation.from_json(misfit.stdout).status is Status.REJECTED
    assert before == {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("words", "given", "named"),
    [
        (("check",), "", "no diff on standard input"),
        (("check",), b"\xff\xfe", "not UTF-8"),
        (("check", "-R", "no-such-branch"), "diff", "no-such-branch"),
        (("check", "--server", "/no/such/socket"), "diff", "--revision"),
        (("serve", "--listen", "127.0.0.1:0"), "", "token"),
        (("serve", "--socket", "x", "--listen", "1"), "", "exclude"),
        (("serve", "-r", "a=/no/such/place"), "", "no such folder"),
        (("serve", "-r", "not a name=."), "", "no name of a repository"),
    ],
)
def test_what_is_wrong_is_said(check: Run, words: tuple[str, ...], given: str, named: str) -> None:
    done = check(*words, given=given)
    assert done.returncode == 2, done.stderr
    assert named in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_service_that_is_not_there_is_no_red(check: Run) -> None:
    done = check("check", "--server", "/no/such/socket", "-R", "main", given="diff --git a/x b/x\n")
    assert done.returncode == 3, done.stderr
    assert "no evaluation service answers" in done.stderr


def test_where_there_is_no_repository(check: Run, tmp_path: Path) -> None:
    for words in (("check",), ("serve",)):
        done = check(*words, given="diff", cwd=tmp_path)
        assert done.returncode == 2
        assert "repository" in done.stderr


def test_the_service_from_start_to_end(ces: Any, check: Run, project: Any) -> None:
    server = ces("--warm", "HEAD")
    layers = {layer["name"]: layer["ok"] for layer in server.client._http.get("/readyz").json()["layers"]}
    assert len(layers) >= 10
    assert all(layers.values())

    asked = EvaluationRequest(revision="HEAD", diff=project.diff())
    green = server.client.evaluate(asked)
    assert green.green
    assert [test.name for test in green.tests] == ["calc/add/0/adds"]
    assert server.client.evaluate(asked).seen_before
    assert "Test Successful" in server.client.log(green.id)
    assert server.client.evaluation(green.id).result == green.result
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.root, capture_output=True, text=True, check=True)
    (build,) = server.client.builds()
    assert build.state == "green"
    assert build.tests == ("calc/add/0/adds",)
    with pytest.raises(InputError, match="nothing-like-it"):
        server.client.evaluate(EvaluationRequest(revision="nothing-like-it", diff=project.diff()))
    told = dict(
        server.client.batch(
            EvaluationRequest(revision=f"calc@{commit.stdout.strip()}", diff=project.diff(line), suite=Suite.CHECK)
            for line in ("let twice x = x + x", 'let twice _ = "x"', "let twice x = (", "let thrice x = x")
        )
    )
    statuses = [getattr(told[index], "status", told[index]) for index in range(4)]
    assert statuses == [Status.GREEN, Status.GREEN, Status.RED, Status.GREEN]

    # the commands find the running service
    done = check("check", given=project.diff())
    assert done.returncode == 0, done.stderr
    assert "seen before" in done.stdout
    assert server.log.count("POST /v1/evaluations 200") == 3
    assert "green" in check("builds").stdout
    assert json.loads(check("builds", "--json").stdout)[0]["tree"] == build.tree
    assert json.loads(check("warm", "HEAD", "--json").stdout)["state"] == "green"
    lines = [json.loads(line) for line in check("export").stdout.splitlines()]
    assert green.id in {line["evaluation"]["id"] for line in lines}
    assert len(check("export", "--since", str(lines[0]["seq"])).stdout.splitlines()) == len(lines) - 1
    scores = {line["id"]: line["reward"] for line in map(json.loads, check("rescore").stdout.splitlines())}
    assert scores[green.id] == 1.0

    second = check("serve")
    assert second.returncode == 2
    assert "is running" in second.stderr
    assert server.client.evaluate(asked).green, "the first one does not mind"

    assert server.end() < 10
    assert not (server.home / "ces" / "ces.sock").exists()
    assert server.family_gone()
    with pytest.raises(EnvironmentFault):
        Client(server.home / "ces" / "ces.sock", tries=1).evaluate(asked)
    assert "no evaluation service answers" in check("builds").stderr

    # warm builds and verdicts outlive it
    later = ces()
    assert [one.state for one in later.client.builds()] == ["green"]
    assert later.client.evaluate(asked).seen_before


def test_tcp_with_tokens_that_are_never_written(ces: Any, check: Run, project: Any, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# ours\nann {TOKEN}\n")
    tokens.chmod(0o644)
    refused = check("serve", "--listen", "0", "--token-file", str(tokens))
    assert refused.returncode == 2
    assert "others may read" in refused.stderr
    tokens.chmod(0o600)
    server = ces("--listen", "0", "--token-file", str(tokens), token=TOKEN)
    assert "ready at http://127.0.0.1:" in server.said
    asked = EvaluationRequest(revision="HEAD", diff=project.diff(), suite=Suite.CHECK)
    assert server.client.evaluate(asked).green
    for wrong in ("", "x" * 20, TOKEN[:-1] + "8"):
        with Client(server.client.address, token=wrong) as client, pytest.raises(InputError, match="token"):
            client.evaluate(asked)
    done = check("check", "--token-file", str(tokens), "--suite", "check", given=project.diff())
    assert done.returncode == 0, done.stderr
    assert "seen before" in done.stdout
    server.end()
    assert TOKEN not in server.log + server.said + done.stderr
    assert "x" * 20 not in server.log
    assert "200 " in server.log
    assert " ann\n" in server.log


def test_a_token_in_the_environment(ces: Any, project: Any) -> None:
    server = ces("--listen", ":0", environment={"GREENLOOP_CES_TOKEN": TOKEN}, token=TOKEN)
    assert server.client.builds() == ()
    assert TOKEN not in server.log


def test_without_the_sandbox_everything_says_so(ces: Any, check: Run, project: Any) -> None:
    (project.root / "greenloop.toml").write_text("[sandbox]\nenabled = false\n")
    refused = check("serve")
    assert refused.returncode == 2
    assert "--no-sandbox" in refused.stderr
    server = ces("--no-sandbox")
    assert "THE SANDBOX IS OFF" in server.log
    told = server.client.evaluate(EvaluationRequest(revision="HEAD", diff=project.diff(), suite=Suite.CHECK))
    assert not told.sandboxed
    assert "unsandboxed" in told.flags


def test_a_missing_layer_is_a_refusal(ces: Any) -> None:
    # a user namespace in which nobody can make another one, as on machines that forbid them
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
    server = ces(ready=False, within=("unshare", "-Ur", "sh", "-c", forbid, "sh"))
    assert server.process.wait(60) == 1, server.log
    assert "namespace" in server.log
    assert "Traceback" not in server.log
    assert "ready" not in server.said
