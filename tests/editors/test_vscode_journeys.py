"""What the corpus does not reach in the real VS Code: keys alone, the multi-file diff, VS Code's own undo, the
extension host's interface, Restricted Mode, screen readers, hostile answers.

The pictures of `docs/vscode.md` are made here, and lie in `build/editors/vscode`.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Frame, expect
from tests.editors.scenario import AwaitStatus, Bytes, Disk, Edit, Expect, Open, Reply, TurnSeen, scenario
from tests.editors.stage import Stage
from tests.editors.vscode_driver import Player, played
from tests.editors.vscode_server import GENEROUS, NEWEST, ROOT, Code, Window, started

from greenloop.aid.editor_settings import EditorSettings

# a busy machine takes minutes to start an extension host
pytestmark = [pytest.mark.editors, pytest.mark.timeout(1800)]
LAYER = ROOT / "editors" / "vscode"
SMALL = """small.ml
```ocaml
let two = 1 + 1
```
"""


@pytest.fixture(scope="module")
def vscode(stage: Stage, vsix: Path) -> Iterator[Code]:
    with started(stage.folder.parent, vsix, NEWEST) as code:
        yield code


def _chord(window: Window, key: str) -> None:
    window.keys("Control+Alt+g", key)


def _frames(window: Window, words: str) -> list[Frame]:
    """Wait for a web view with such a heading."""
    for _ in range(int(GENEROUS * 10)):
        # a frame may go while it is looked at
        with suppress(Error):
            found = [frame for frame in window.page.frames if frame.get_by_role("heading", name=words).count()]
            if found:
                return found
        window.page.wait_for_timeout(100)
    raise AssertionError(f"no web view with {words!r} came")


def test_three_files_by_keys_alone(stage: Stage, vscode: Code) -> None:
    def play(player: Player) -> None:
        window = player.window
        view = player.view
        window.go_to("price.ml", 0)
        _chord(window, "p")
        expect(window.page.locator(".quick-input-title")).to_contain_text("the whole project")
        window.page.keyboard.type("use floats for prices")
        window.keys("Enter")
        expect(view.locator("section.turn")).to_have_attribute("data-outcome", "done")
        player.end()
        window.picture("turn-suggestion")
        _chord(window, "r")
        expect(window.page.locator(".multiDiffEntry").first).to_be_visible()
        expect(window.page.locator(".monaco-workbench")).to_contain_text("bill.ml")
        window.page.wait_for_timeout(1500)  # for the picture alone: the colours of the differences come late
        window.picture("turn-review")
        for path in ("bill.ml", "price.ml", "price.mli"):
            _chord(window, "j")
            window.wait("return vscode.window.activeTextEditor?.document.uri.path.endsWith('/' + given)", path)
        _chord(window, "y")
        expect(view.get_by_role("button", name="Undo the last acceptance")).to_be_visible()
        window.picture("turn-written")

    stage.play("keys", scenario("interface"), played(vscode, play))


def test_one_hunk_at_the_cursor_of_the_diff(stage: Stage, vscode: Code) -> None:
    def play(player: Player) -> None:
        window = player.window
        player.do(scenario("hunk-refused").steps[0])
        player.do(scenario("hunk-refused").steps[1])
        player.end()
        _chord(window, "r")
        expect(window.page.locator(".multiDiffEntry").first).to_be_visible()
        expect(player.view.locator("#words")).to_have_value("")
        window.wait("return vscode.window.activeTextEditor?.document.uri.scheme === 'greenloop-proposed'")
        window.keys("Control+End", "ArrowUp")
        _chord(window, "Shift+h")
        expect(player.view.locator('[data-hunk="2"] .decided')).to_have_text("refused")
        window.keys("Control+Home")
        _chord(window, "h")
        expect(player.view.locator('[data-hunk="1"] .decided')).to_have_text("accepted")

    stage.play("diff-hunks", scenario("hunk-refused"), played(vscode, play))


def test_the_editors_own_undo_is_noticed(stage: Stage, vscode: Code) -> None:
    told = scenario("crlf")
    text = told.files["price.ml"]
    assert isinstance(text, str)
    expected = told.expect.model_copy(update={"funnel": ("shown", "accepted", "undone"), "unsaved": {"price.ml": text}})

    def play(player: Player) -> None:
        for step in told.steps:
            player.do(step)
        player.window.go_to("price.ml", 0)
        player.window.keys("Control+z")
        expect(player.view.get_by_role("button", name="Accept the suggestion")).to_be_visible()

    stage.play("own-undo", told.model_copy(update={"expect": expected}), played(vscode, play))


def test_the_extension_host_has_what_is_declared(stage: Stage, vscode: Code) -> None:
    told = scenario("fix-error").model_copy(update={"expect": Expect(turns=(), funnel=())})

    def play(player: Player) -> None:
        window = player.window
        window.go_to("price.ml", 4)
        player.do(scenario("fix-error").steps[1])
        package = json.loads((LAYER / "package.json").read_text())
        commands = window.ask(
            "return (await vscode.commands.getCommands(true)).filter((one) => one.startsWith('greenloop.'))"
        )
        assert {one["command"] for one in package["contributes"]["commands"]} <= set(commands)
        kind = window.ask(
            "const e = vscode.extensions.getExtension('greenloop.greenloop'); return [e.isActive, e.extensionKind]"
        )
        assert kind == [True, 2]
        defaults = window.ask(
            "return given.map((key) => vscode.workspace.getConfiguration().inspect(key)?.defaultValue)",
            list(package["contributes"]["configuration"]["properties"]),
        )
        assert defaults == list(json.loads(EditorSettings().model_dump_json()).values())
        actions = window.ask(
            "const { document } = vscode.window.activeTextEditor;"
            "const [one] = vscode.languages.getDiagnostics(document.uri);"
            "const actions = 'vscode.executeCodeActionProvider';"
            "const found = await vscode.commands.executeCommand(actions, document.uri, one.range);"
            "const lenses = await vscode.commands.executeCommand('vscode.executeCodeLensProvider', document.uri, 10);"
            "const above = lenses.map((each) => [each.command.title, each.range.start.line]);"
            "return [found.map((each) => each.title), above]"
        )
        assert "Fix with Greenloop" in actions[0]
        assert actions[1] == [["Fix with Greenloop", 4]]

    stage.play("host", told, played(vscode, play))


def test_a_fix_is_offered_as_soon_as_the_error_comes(stage: Stage, vscode: Code) -> None:
    # nobody touches the file that is open: another one changes below it
    told = scenario("interface")
    other = "val gross : float -> float\n"
    expected = Expect(turns=(), funnel=(), disk={"price.mli": other})

    def play(player: Player) -> None:
        player.do(Open(do="open", path="bill.ml"))
        player.do(AwaitStatus(do="await-status", state="green"))
        player.do(Disk(do="disk", path="price.mli", content=other))
        player.do(AwaitStatus(do="await-status", state="red"))
        expect(player.window.page.locator(".codelens-decoration")).to_have_text("Fix with Greenloop")

    stage.play("offered", told.model_copy(update={"expect": expected}), played(vscode, play))


def test_the_extensions_own_page_has_a_screen_and_no_broken_picture(stage: Stage, vscode: Code) -> None:
    told = scenario("crlf").model_copy(update={"expect": Expect(turns=(), funnel=())})

    def play(player: Player) -> None:
        window = player.window
        window.ask("await vscode.commands.executeCommand('extension.open', given)", "greenloop.greenloop")
        pages = _frames(window, "Greenloop for VS Code")
        assert [page.locator("img").count() for page in pages] == [0] * len(pages)
        expect(pages[0].locator("pre").first).to_contain_text("● type-checks")

    stage.play("page", told, played(vscode, play))


def test_restricted_mode_starts_nothing(stage: Stage, vscode: Code, tmp_path: Path) -> None:
    told = scenario("crlf").model_copy(update={"expect": Expect(turns=(), funnel=())})
    trace = tmp_path / "started"
    program = tmp_path / "greenloop"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)

    def play(player: Player) -> None:
        window = player.window
        expect(player.view.locator("#banner")).to_contain_text("Restricted Mode")
        view = player.view
        view.locator("#words").fill("make the rate 21")
        view.locator("#words").press("Enter")
        expect(window.page.locator(".notification-list-item-message").first).to_contain_text("Restricted Mode")
        expect(window.page.locator('[aria-label*="off in Restricted Mode"]').first).to_be_visible()
        assert not trace.exists()

    settings = {
        "security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never",
        "security.workspace.trust.banner": "never", "greenloop.command": [str(program)],
    }  # fmt: skip
    stage.play("restricted", told, played(vscode, play, **settings))


def test_screen_readers_get_words(stage: Stage, vscode: Code) -> None:
    told = scenario("crlf")

    def play(player: Player) -> None:
        for step in told.steps[:3]:
            player.do(step)
        view = player.view
        expect(view.get_by_role("log", name="Conversation")).to_be_visible()
        expect(view.get_by_role("textbox", name="Ask for a change")).to_be_visible()
        expect(view.get_by_role("region", name="Request: make the rate 21")).to_be_visible()
        expect(view.get_by_role("article", name="Suggestion: type-checks")).to_be_visible()
        nameless = view.locator("button, input, textarea").evaluate_all(
            "all => all.filter(one => !(one.getAttribute('aria-label') || one.innerText || one.labels?.length)).length"
        )
        assert nameless == 0
        # from the box to the suggestion by Tab alone
        view.locator("#words").focus()
        for _ in range(60):
            player.window.keys("Shift+Tab")
            if re.fullmatch(
                "Accept the suggestion", view.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
            ):
                break
        player.window.keys("Enter")
        expect(view.get_by_role("button", name="Undo the last acceptance")).to_be_visible()
        # VS Code has no live region for its status bar, so what is said there is said here, too
        expect(view.get_by_role("status").get_by_text("Written: type-checks.")).to_be_attached()
        _chord(player.window, "j")
        expect(view.get_by_role("status").get_by_text("Change 1 of 1: price.ml, line 1")).to_be_attached()

    stage.play("words", told, played(vscode, play))


def test_a_rename_is_decided_on_by_itself(stage: Stage, vscode: Code) -> None:
    told = scenario("rename").model_copy(
        update={
            "expect": Expect(
                turns=(TurnSeen(outcome="done", label="type-checks"),),
                funnel=("shown", "refused", "accepted", "undone", "accepted"),
                gone=("price.ml",),
                disk={"cost.ml": scenario("rename").files["price.ml"]},
            )
        }
    )

    def play(player: Player) -> None:
        for step in told.steps[:3]:
            player.do(step)
        view = player.view
        renamed = view.locator("details", has_text="renamed: price.ml → cost.ml")
        view.get_by_role("button", name="Refuse change 1 of bill.ml").click()
        expect(view.locator('[data-hunk="1"] .decided')).to_have_text("refused")
        # all that is left is the rename: by its own button, then by that of the whole
        renamed.get_by_role("button", name="Accept price.ml").click()
        expect(renamed.locator(".decided")).to_have_text("accepted")
        view.get_by_role("button", name="Undo the last acceptance").click()
        expect(renamed.get_by_role("button", name="Refuse price.ml")).to_be_visible()
        view.get_by_role("button", name="Accept the suggestion").click()
        expect(renamed.locator(".decided")).to_have_text("accepted")

    stage.play("renamed", told, played(vscode, play))


def test_a_selection_by_keys_and_once_more_after_an_edit(stage: Stage, vscode: Code) -> None:
    # of a long file the model gets the lines that are selected, and those around them
    large = scenario("five-thousand-lines")
    reply = large.model[0].reply
    story = scenario("crlf").model_copy(
        update={
            "files": large.files,
            "model": (
                Reply(contains=("let value_2500 = ", "let value_2501 = "), reply=f"{SMALL}\n{reply}"),
                Reply(contains=("let value_2500 = ", "let value_2501 = "), reply="It stays so."),
            ),
            "expect": Expect(
                turns=(TurnSeen(outcome="done", label="type-checks"), TurnSeen(outcome="done")),
                funnel=("shown", "accepted"),
                disk={"small.ml": "let two = 1 + 1\n"},
                unsaved={"big.ml": Bytes(changed=(("let value_1 = 1\n", "(* one *)\n(* more *)\nlet value_1 = 1\n"),))},
            ),
        }
    )

    def play(player: Player) -> None:
        window = player.window
        view = player.view
        window.go_to("big.ml", 2499)
        window.keys("Shift+ArrowDown", "Shift+ArrowDown")
        _chord(window, "a")
        expect(window.page.locator(".quick-input-title")).to_contain_text("about the selection")
        window.page.keyboard.type("change these two")
        window.keys("Enter")
        expect(view.locator("section.turn")).to_have_attribute("data-outcome", "done")
        player.end()
        _chord(window, "r")
        expect(window.page.locator(".multiDiffEntry").first).to_be_visible()
        expect(window.page.locator(".monaco-workbench")).to_contain_text("small.ml")
        # in the order of paths the small one is the last
        _chord(window, "k")
        window.wait("return vscode.window.activeTextEditor?.document.uri.path.endsWith('/small.ml')")
        _chord(window, "l")
        small = view.locator("details", has_text="small.ml")
        expect(small.locator(".decided").first).to_have_text("accepted")
        expect(view.get_by_role("button", name="Accept big.ml")).to_be_visible()
        # what is asked again is about the same lines, wherever they and the cursor are now
        player.do(Edit(do="edit", path="big.ml", line=0, remove=0, insert=("(* one *)", "(* more *)")))
        _chord(window, "g")
        expect(view.locator("section.turn")).to_have_count(2)
        player.end()
        expect(view.locator("section.turn").last).to_contain_text("It stays so.")
        # an earlier conversation, by its words
        window.palette("Greenloop: New Conversation")
        expect(view.locator("section.turn")).to_have_count(0)
        window.palette("Greenloop: Earlier Conversations…")
        expect(window.page.locator(".quick-input-title")).to_have_text("Greenloop: earlier conversations")
        expect(window.page.locator(".quick-input-list .monaco-list-row").first).to_contain_text("change these two")
        window.keys("Enter")
        expect(view.locator("#log .person").first).to_have_text("change these two")
        expect(view.locator("#log")).to_contain_text("It stays so.")

    stage.play("selected", story, played(vscode, play))


def test_hostile_markdown_is_text(stage: Stage, vscode: Code) -> None:
    told = scenario("nothing-said")
    hostile = (
        "Look: <img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script> "
        "![p](https://example.org/p.png) [run](command:workbench.action.quit) "
        "[js](javascript:alert(1)) **The rate is 20 already.**"
    )
    replies = tuple(one.model_copy(update={"reply": hostile}) for one in told.model)

    def play(player: Player) -> None:
        for step in told.steps:
            player.do(step)
        log = player.view.locator("#log")
        expect(log.locator("strong").first).to_have_text("The rate is 20 already.")
        assert log.locator("img, script, a[href^='command:'], a[href^='javascript:']").count() == 0
        assert player.view.evaluate("document.title") == "Greenloop"

    stage.play("hostile", told.model_copy(update={"model": replies}), played(vscode, play))
