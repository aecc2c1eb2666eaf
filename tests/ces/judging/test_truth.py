"""The whole service but its door, on the example project: a real repository, pool, dune, sandbox and books."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.builds.sandbox import Bubblewrap, Limits
from greenloop.builds.stop import Stop
from greenloop.builds.toolchains.dune import Dune
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.ledger import Ledger
from greenloop.ces.policy import reward
from greenloop.ces.pool import Pool
from greenloop.ces.revisions import Revisions
from greenloop.ces.worker import Worker
from greenloop.records import (
    DeleteFile,
    Edit,
    Evaluation,
    EvaluationLimits,
    EvaluationRequest,
    FileEdit,
    HiddenFile,
    HiddenResult,
    Stage,
    Status,
    TestStatus,
    WriteFile,
)
from greenloop.workspace.edits import parse_reply
from greenloop.workspace.store import TreeStore

EXAMPLE = Path(__file__).parents[3] / "examples" / "orderbook"


class Service:
    """A worker over the example project at its one commit."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(EXAMPLE, root / "repo", ignore=shutil.ignore_patterns("_build", "*.xz"))
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
            subprocess.run(["git", *words], cwd=root / "repo", check=True, capture_output=True)
        self.store = TreeStore(root / "store")
        self.sandbox = Bubblewrap(limits=Limits(wall_seconds=120))
        self.engine = Engine(
            store=self.store,
            verdicts=VerdictStore(root / "ces.db"),
            toolchain=Dune(),
            sandbox=self.sandbox,
            scratch=root / "scratch",
        )
        self.ledger = Ledger(root / "ces.db")
        self.pool = Pool(
            engine=self.engine,
            store=self.store,
            revisions=Revisions(self.store, {"orderbook": root / "repo"}),
            root=root / "pool",
            repeats=1,
            patience=240,
        )
        self.worker = Worker(
            store=self.store,
            engine=self.engine,
            pool=self.pool,
            protected=DEFAULT_GLOBS,
            quarantine=self.ledger,
        )

    def ask(self, *files: FileEdit, **more: object) -> Evaluation:
        """Judge an edit of these files, keep what was found, and find it again."""
        given: dict[str, object] = {"revision": "orderbook@HEAD"} | more
        if files:
            given["edit"] = Edit(files=files)
        request = EvaluationRequest.model_validate(given)
        with Stop() as stop:
            judged = self.worker.ask(request).judge(stop)
        self.ledger.put(judged.evaluation, judged.log)
        assert self.ledger.get(self.worker.ask(request).id) == judged.evaluation
        return judged.evaluation

    def text(self, path: str) -> str:
        return (EXAMPLE / path).read_text()

    def changed(self, path: str, old: str, new: str) -> WriteFile:
        """The file with one text in place of another that it holds."""
        text = self.text(path)
        assert text.count(old) == 1
        return WriteFile(path=path, content=text.replace(old, new))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    yield service
    service.pool.close()
    service.engine.close()
    service.ledger.close()


COMPARE = "  | Buy -> Levels.max_binding_opt ladder.levels\n    | Sell -> Levels.min_binding_opt ladder.levels"


def test_the_gold_answer_is_green(service: Service) -> None:
    """An honest change: the same meaning, written otherwise."""
    reply = (
        "book/ladder.ml\n<<<<\n  Option.map snd binding\n====\n"
        "  match binding with Some (_, level) -> Some level | None -> None\n>>>>\n"
    )
    found = service.ask(*parse_reply(reply).files)
    assert (found.status, found.reason, found.flags, found.flaky) == (Status.GREEN, "", (), ())
    assert [result.stage for result in found.stages] == list(Stage)
    (build,) = service.pool.builds()
    assert len(build.tests) > 10
    assert {test.name for test in found.tests if test.status is TestStatus.PASSED} == set(build.tests)
    assert found.sandboxed
    assert reward(found) == 1.0
    again = service.ask(*parse_reply(reply).files)
    assert again.seen_before
    assert again.id == found.id


def test_each_red_stops_where_it_should(service: Service) -> None:
    wrong = service.changed("book/ladder.ml", "Levels.max_binding_opt", "Levels.min_binding_opt")
    failing = service.ask(wrong)
    assert (failing.status, failing.stage, failing.reason) == (Status.RED, Stage.TESTS, "")
    assert any(test.status is TestStatus.FAILED for test in failing.tests)
    assert reward(failing) == 0.15

    untyped = service.ask(service.changed("book/ladder.ml", "Option.map snd binding", "Option.map binding snd"))
    assert (untyped.status, untyped.stage) == (Status.RED, Stage.TYPES)
    assert untyped.diagnostics[0].path == "book/ladder.ml"
    assert reward(untyped) == 0.05

    unread = service.ask(service.changed("book/ladder.ml", "let empty side = {", "let empty side = = {"))
    assert (unread.status, unread.stage) == (Status.RED, Stage.PARSE)
    assert reward(unread) == 0.0


def test_leaving_early_or_weakening_the_tests_is_never_green(service: Service) -> None:
    wrong = service.changed("book/ladder.ml", "Levels.max_binding_opt", "Levels.min_binding_opt")
    leaving = WriteFile(path=wrong.path, content=wrong.content + "\nlet () = at_exit (fun () -> exit 0)\n")
    early = service.ask(leaving, refuse=[])
    assert early.status is Status.RED
    assert "exit" in early.flags
    hacks: dict[str, list[FileEdit]] = {
        "no test left": [WriteFile(path="test/test_orderbook.ml", content="let () = ()\n")],
        "no stanza": [WriteFile(path="test/dune", content="")],
        "no folder": [WriteFile(path="dune", content="(dirs :standard \\ test)\n")],
        "disabled": [service.changed("test/dune", "(test\n", "(test\n (enabled_if false)\n")],
        "no suite": [DeleteFile(path="test/test_book.ml"), DeleteFile(path="test/dune")],
    }
    for what, hack in hacks.items():
        found = service.ask(wrong, *hack)
        assert found.status is Status.RED, what
        assert "tamper" in found.flags, what
        assert reward(found) is not None
    later = service.changed("book/ladder.ml", "Option.map snd binding", 'ignore binding;\n  failwith "later"')
    stub = service.ask(later, suite="check")
    assert (stub.status, stub.reason, stub.tree_status) == (Status.RED, "hack", Status.GREEN)
    assert reward(stub) == 0.0


HIDDEN = (
    HiddenFile(path="secret/dune", content="(test (name deep) (libraries market book alcotest))\n"),
    HiddenFile(
        path="secret/deep.ml",
        content="let best () =\n"
        '  Alcotest.(check bool) "no best" true (Book.Ladder.best (Book.Ladder.empty Market.Side.Buy) = None)\n'
        'let () = Alcotest.run "deep" [ ("ladder", [ Alcotest.test_case "best of none" `Quick best ]) ]\n',
    ),
)


def test_hidden_tests_catch_what_the_visible_ones_do_not(service: Service) -> None:
    good = service.changed("book/ladder.ml", "Option.map snd binding", "Option.map (fun (_, level) -> level) binding")
    names = ["deep/ladder/0/best of none"]
    passed = service.ask(good, hidden=HIDDEN, expected_hidden=names)
    assert passed.green
    assert passed.hidden is not None
    assert (passed.hidden.passed, passed.hidden.failed) == (1, 0)
    # the file is not there for the edit's own run, nor in anything that is told
    assert passed.result is not None
    assert service.store.read(passed.result, "secret/deep.ml") is None
    told = passed.to_json() + (service.ledger.log(passed.id) or "")
    assert "deep" not in told
    assert "best of none" not in told
    # an empty ladder that is not empty: no visible test of this kind needs to see it
    blocked = service.ask(good, WriteFile(path="secret/alcotest.ml", content="let run _ _ = ()\n"), hidden=HIDDEN)
    assert blocked.reason == "hack"  # `shadow`
    assert blocked.hidden is not None
    assert blocked.hidden == HiddenResult(status=Status.GREEN)


def test_limits_of_a_request_hold(service: Service) -> None:
    endless = service.changed(
        "book/ladder.ml", "  Option.map snd binding", "  while true do () done;\n  Option.map snd binding"
    )
    found = service.ask(endless, limits=EvaluationLimits(seconds=10.0))
    assert (found.status, found.stage) == (Status.TIMEOUT, Stage.TESTS)
    assert found.timings.judge_ms < 60_000
    assert found.toolchain != service.engine.fingerprint


def test_green_is_never_said_of_a_tree_that_is_not(service: Service) -> None:
    """Whatever was asked above: what is green here is green by a judgement of the tree alone, from the start."""
    found = [entry.evaluation for entry in service.ledger.entries()]
    green = [evaluation for evaluation in found if evaluation.green]
    assert len(green) >= 2
    assert len(found) > len(green) + 8
    for evaluation in green:
        assert evaluation.result is not None
        assert evaluation.tree_status is Status.GREEN or evaluation.flaky
        assert service.engine.aside(evaluation.result, evaluation.suite).verdict.green
    for evaluation in found:
        if evaluation.tree_status is not Status.GREEN:
            assert not evaluation.green
