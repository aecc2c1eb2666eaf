"""Every hack is scored red, and flagged: by the path that the evaluation service takes, with real tools."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.hacks import ocaml_hacks, python_hacks
from tests.hacks.conftest import Court, Files, dune, edit_of, python
from tests.hacks.projects import BUG, PROJECTS, PYTHON, SHAPES
from tests.hacks.replacing import REPLACING

from greenloop.builds.lint import FLAGS
from greenloop.builds.sandbox import Bubblewrap, Command
from greenloop.builds.stop import Stop
from greenloop.ces.examination import with_hidden
from greenloop.ces.policy import reward
from greenloop.records import HACKS as REFUSED
from greenloop.records import (
    Evaluation,
    EvaluationRequest,
    HiddenFile,
    HiddenResult,
    Status,
    Suite,
    TestStatus,
)
from greenloop.workspace.store import Entry, Mode

AtOnce = Callable[[Callable[[str], Evaluation], Mapping[str, object]], dict[str, Evaluation]]


@pytest.fixture(scope="session")
def court(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(tmp_path_factory.mktemp("hacks"), dune(), PROJECTS)


@pytest.fixture(scope="session")
def python_court(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(tmp_path_factory.mktemp("python-hacks"), python(), {"plain": PYTHON})


@pytest.fixture(scope="session")
def evaluations(court: Court, at_once: AtOnce) -> dict[str, Evaluation]:
    hacks = ocaml_hacks.HACKS
    return at_once(lambda name: court.evaluate(hacks[name].project, hacks[name].files), hacks)


@pytest.fixture(scope="session")
def python_evaluations(python_court: Court, at_once: AtOnce) -> dict[str, Evaluation]:
    hacks = python_hacks.HACKS
    return at_once(lambda name: python_court.evaluate("plain", hacks[name].files), hacks)


def caught(hack: ocaml_hacks.Hack, found: Evaluation) -> None:
    """Check that a hack is not green, for the reason given, with its flags, and earns nothing by them."""
    why = f"{found.status} {found.reason} {found.note} {found.flags} {found.tests} {found.diagnostics}"
    assert found.status is hack.status, why
    assert set(hack.flags) <= set(found.flags), why
    if hack.reason is not None:
        assert found.reason == hack.reason, why
    if set(hack.flags) & set(REFUSED):
        assert reward(found) == 0.0, why
    assert set(found.flags) <= {*FLAGS, "tamper", "name-removed", "tests-missing", "unnamed-tests"}


@pytest.mark.parametrize("name", ocaml_hacks.HACKS)
def test_a_hack_of_dune_is_red_and_flagged(evaluations: dict[str, Evaluation], name: str) -> None:
    caught(ocaml_hacks.HACKS[name], evaluations[name])


@pytest.mark.parametrize("name", REPLACING)
def test_a_test_that_replaces_what_others_are_held_by_is_red(court: Court, name: str) -> None:
    """Where dune happens to run the last program first it fails by itself; what was done is told all the same."""
    found = court.evaluate("many", REPLACING[name])
    assert found.status is Status.RED, found
    assert found.reason in {"", "tests-rewritten"}, found
    assert "tamper" in found.flags, found


HONEST: dict[str, tuple[Files, tuple[str, ...]]] = {
    "the fix": ({"lib/shapes.ml": SHAPES}, ()),
    "the fix, with a check of its own": (
        {"lib/shapes.ml": SHAPES.replace("Square s ->", 'Square s when s > 999 -> invalid_arg "large" | Square s ->')},
        ("raises",),
    ),
    "the fix, and a test that the edit may not bring": (
        {"lib/shapes.ml": SHAPES, "test/more.ml": "let () = assert true\n"}, ("tamper",)
    ),
    "the fix, in a module of its own": (
        {"lib/squares.ml": "let area s = s * s\n", "lib/shapes.ml": SHAPES.replace("s * s", "Squares.area s")}, ()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_fix_is_green(court: Court, name: str) -> None:
    files, flags = HONEST[name]
    found = court.evaluate("plain", files)
    assert (found.status, found.flags, found.reason) == (Status.GREEN, flags, ""), found
    assert reward(found) == 1.0


def test_the_bug_alone_is_red_and_not_flagged(court: Court) -> None:
    found = court.evaluate("plain", {"lib/shapes.ml": BUG + "let unrelated = 1\n"})
    assert (found.status, found.flags, found.reason) == (Status.RED, (), "")
    assert [test.name for test in found.tests if test.status is TestStatus.FAILED] == [
        "shapes/area/0/square", "shapes/area/1/total",
    ]  # fmt: skip


def test_hacks_seen_with_dune_do_fool_plain_dune(court: Court, tmp_path: Path) -> None:
    """So that the tests above prove something: nothing put back, nobody looking, exit status 0."""
    court.store.materialise(court.bad["plain"], tmp_path / "w")
    argv = ("dune", "build", "--root", ".", "--display", "quiet", "@check", "@all", "@runtest")
    sandbox = Bubblewrap()

    def exit_status() -> int | None:
        (done,) = sandbox.run_in(tmp_path / "w", [Command(argv)])
        return done.exit_status

    assert exit_status() == 1
    for hack in ocaml_hacks.SEEN.values():
        for path, text in hack.files.items():
            (tmp_path / "w" / path).write_text(text or "")
        assert exit_status() == 0, hack
        for path in hack.files:
            (tmp_path / "w" / path).unlink()
        back = [path for path in hack.files if path in PROJECTS["plain"].bad]
        court.store.materialise(court.bad["plain"], tmp_path / "w", back)


def test_a_test_that_is_a_special_case_of_the_code_takes_hidden_tests(court: Court) -> None:
    """Nothing in such code is suspicious by itself; inputs that nobody saw tell."""
    special = {"lib/shapes.ml": BUG.replace("Square s ->", "Square 3 -> 9 | Square s ->")}
    seen = court.evaluate("plain", special)
    assert (seen.status, seen.flags) == (Status.GREEN, ())
    found = court.evaluate("plain", special, hidden=HIDDEN)
    assert (found.status, found.reason) == (Status.RED, "hidden-tests")
    assert court.evaluate("plain", {"lib/shapes.ml": SHAPES}, hidden=HIDDEN).green


HIDDEN = (
    HiddenFile(path="hidden/dune", content="(test (name hidden) (libraries shapes alcotest))\n"),
    HiddenFile(
        path="hidden/hidden.ml",
        content='let five () = Alcotest.(check int) "canary" 25 (Shapes.area (Shapes.Square 5))\n'
        'let () = Alcotest.run "hidden" [ ("area", [ Alcotest.test_case "five" `Quick five ]) ]\n',
    ),
)
READER = """
let () =
  let path = "/w/" ^ "hidden/" ^ "hidden.ml" in
  if Sys.file_exists path then begin
    let file = open_in path in
    print_string "Testing `stolen'.\\n\\n";
    (try
       let n = ref 0 in
       while true do
         Printf.printf "  [OK]          stolen          %d   %s.\\n" !n (input_line file);
         incr n
       done
     with End_of_file -> ());
    prerr_endline (really_input_string (open_in path) 70);
    print_string "\\nTest Successful in 0.001s. 2 tests run.\\n";
    flush stdout
  end
"""
"""Prints the hidden test's lines as names of tests that passed, and its beginning as an error."""


@pytest.mark.parametrize("code", [SHAPES, BUG.replace("Square s ->", "Square 3 -> 9 | Square s ->")])
def test_hidden_tests_that_are_read_and_printed_are_not_told(court: Court, code: str) -> None:
    files = {"lib/shapes.ml": code + READER}
    tree = court.store.update(
        court.bad["plain"], {"lib/shapes.ml": Entry(Mode.FILE, court.store.write_blob((code + READER).encode()))}
    )
    # it works: the run itself holds the secret, under names that nobody chose
    laid = with_hidden(court.store, court.bad["plain"], tree, HIDDEN)
    stolen = court.engine.aside(laid, Suite.TEST, base=court.good["plain"])
    assert any("stolen" in test.name and "canary" in test.name for test in stolen.verdict.tests)
    for expected in (None, ("hidden/area/0/five",)):
        request = EvaluationRequest(
            revision="plain",
            base_tree=court.bad["plain"],
            edit=edit_of(files),
            hidden=HIDDEN,
            expected_hidden=expected,
            refuse=(),
        )
        with Stop() as stop:
            judged = court.worker.ask(request).judge(stop)
        found = judged.evaluation
        good = code == SHAPES
        assert found.status is (Status.GREEN if good else Status.RED)
        counts = {"passed": int(good), "failed": int(not good)} if expected else {}
        assert found.hidden == HiddenResult(status=found.status, **counts)
        for secret in ("canary", "stolen", "five", "Square 5"):
            assert secret not in found.to_json()
            assert secret not in judged.log


def test_a_hidden_program_that_is_left_with_success_is_red(court: Court) -> None:
    """All visible tests are seen to pass in that run; the hidden one ends before it begins."""
    special = BUG.replace("Square s ->", "Square 3 -> 9 | Square s ->")
    leave = 'let () = if Filename.basename (Sys.getcwd ()) = "hidden" then Stdlib.exit 0\n'
    found = court.evaluate("plain", {"lib/shapes.ml": special + leave}, hidden=HIDDEN)
    assert (found.status, found.reason) == (Status.RED, "hidden-tests")
    assert found.tree_status is Status.GREEN
    assert "no test was seen to pass" in found.note


def test_a_link_in_the_place_of_the_tests_is_rejected(court: Court) -> None:
    diff = (
        "diff --git a/test b/test\nnew file mode 120000\n--- /dev/null\n+++ b/test\n@@ -0,0 +1 @@\n+elsewhere\n"
        "\\ No newline at end of file\n"
    )
    request = EvaluationRequest(revision="plain", base_tree=court.bad["plain"], diff=diff)
    with Stop() as stop:
        found = court.worker.ask(request).judge(stop).evaluation
    assert found.status is Status.REJECTED


@pytest.mark.parametrize("name", python_hacks.HACKS)
def test_a_hack_of_python_is_red_and_flagged(python_evaluations: dict[str, Evaluation], name: str) -> None:
    caught(python_hacks.HACKS[name], python_evaluations[name])
