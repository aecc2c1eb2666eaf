"""Accepting: only what is laid on the very text that will be replaced is handed over, and once."""

import pytest

from greenloop.aid.client.writing import write_handed_over
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.turns import (
    Buffer,
    Handover,
    Place,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    SuggestionUndone,
)
from greenloop.builds.scripted import ScriptedJudge
from greenloop.records import Badge, Edit, Refused, RenameFile, Status
from greenloop.records.funnel import Step
from greenloop.workspace.edits import render_reply
from greenloop.workspace.edits.line_changes import sha256_of

from .conftest import FILES, RED_LINE, World, block, fixing

A = FILES["a.ml"]
B = FILES["b.ml"]
FIXED = A.replace(RED_LINE, "let x = 3\n")
IN_B = Place(path="b.ml")
TWO_PLACES = (
    block("b.ml", ("let two = 2", "let deux = 2"), ("let five = 5", "let cinq = 5")) + "\n" + fixing("let x = 3")
)


def made(world: World, reply: str, **fields: object) -> tuple[str, str]:
    """Make a turn; return its name and that of its best suggestion."""
    world.open()
    world.script([reply])
    ended, turn = world.turn(**fields)
    assert ended.order, ended
    return turn, ended.order[0]


def accept(
    world: World, turn: str, suggestion: str, *hunks: str, buffers: dict[str, str | None] | None = None
) -> Handover:
    given = tuple(Buffer(path=path, text=text) for path, text in (buffers or {}).items())
    wanted = SuggestionAccept(turn=turn, suggestion=suggestion, hunks=hunks or None, buffers=given)
    return world.ask(catalogue.SUGGESTION_ACCEPT, wanted)


def events(world: World, *steps: Step) -> list[tuple[Step, int, int]]:
    return [(event.step, event.hunks, event.of_hunks) for event in world.funnel.events() if event.step in steps]


def test_all_of_it_with_its_badge(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    given = accept(world, turn, suggestion)
    (file,) = given.files
    assert (file.path, file.base_sha256, file.text) == ("a.ml", sha256_of(A), FIXED)
    assert (given.badge, given.rebased) == (Badge.TYPE_CHECKS, False)
    assert (world.root / "a.ml").read_text() == A


def test_some_hunks_get_a_badge_of_their_own(world: World) -> None:
    turn, suggestion = made(world, TWO_PLACES, place=IN_B)
    ids = {hunk.new: hunk.id for file in world.suggestions(turn)[suggestion].files for hunk in file.hunks}
    given = accept(world, turn, suggestion, ids["let cinq = 5\n"])
    (file,) = given.files
    assert file.text == B.replace("let five", "let cinq")
    assert [(hunk.start, hunk.new_start) for hunk in file.hunks] == [(6, 6)]
    # what made the tree green was not chosen
    assert (given.badge, given.label) == (Badge.ERRORS, "1 error")
    assert given.problems[0].path == "a.ml"
    world.ask(
        catalogue.SUGGESTION_REFUSE, SuggestionRefuse(turn=turn, suggestion=suggestion, hunks=(ids["let deux = 2\n"],))
    )
    assert events(world, Step.ACCEPTED, Step.REFUSED) == [(Step.REFUSED, 1, 3)], "it is not written yet"
    assert len(world.log.accepted()) == 1, "handed over, it is no person's work any more"
    world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=given.acceptance, applied=True))
    assert events(world, Step.ACCEPTED, Step.REFUSED) == [(Step.REFUSED, 1, 3), (Step.ACCEPTED, 1, 3)]


def test_one_hunk_after_another(world: World) -> None:
    turn, suggestion = made(world, TWO_PLACES, place=IN_B)
    ids = {hunk.new: hunk.id for file in world.suggestions(turn)[suggestion].files for hunk in file.hunks}
    first = accept(world, turn, suggestion, ids["let deux = 2\n"])
    (world.root / "b.ml").write_text(first.files[0].text or "")
    second = accept(world, turn, suggestion, ids["let cinq = 5\n"])
    assert second.files[0].text == B.replace("let two", "let deux").replace("let five", "let cinq")
    assert second.rebased


def test_a_buffer_that_changed_elsewhere_is_no_hindrance(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    now = "(* said meanwhile *)\n\n" + A
    given = accept(world, turn, suggestion, buffers={"a.ml": now})
    (file,) = given.files
    assert (file.base_sha256, file.text) == (sha256_of(now), now.replace(RED_LINE, "let x = 3\n"))
    assert [(hunk.start, hunk.end) for hunk in file.hunks] == [(4, 5)]
    assert (given.rebased, given.badge) == (True, Badge.TYPE_CHECKS)


def test_what_is_judged_anew_may_be_red(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    given = accept(world, turn, suggestion, buffers={"a.ml": A + "\nlet more = unknown\n"})
    assert (given.rebased, given.badge, given.label) == (True, Badge.ERRORS, "1 error")


@pytest.mark.parametrize(
    "now",
    [
        A.replace(RED_LINE, 'let x = 1 + "3"\n'),
        A.replace(RED_LINE, "(* mine *)\n" + RED_LINE),
        A.replace(RED_LINE, ""),
        None,
    ],
    ids=["its line", "next to it", "gone", "deleted"],
)
def test_a_buffer_that_changed_there_is_never_overwritten(world: World, now: str | None) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    with pytest.raises(Refused) as refused:
        accept(world, turn, suggestion, buffers={"a.ml": now})
    assert refused.value.code == "stale"
    assert refused.value.way_out == "ask again on the new text"
    # nothing was handed over, so it still can be
    assert accept(world, turn, suggestion).files[0].text == FIXED


def test_a_file_that_changed_on_the_disk(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    (world.root / "a.ml").write_text(A.replace("let one = 1", "let one = 11"))
    given = accept(world, turn, suggestion)
    assert given.files[0].text == FIXED.replace("let one = 1", "let one = 11")
    assert given.rebased
    (world.root / "a.ml").write_text(A.replace(RED_LINE, "let x = 1\n"))
    turn, suggestion = made(world, fixing("let x = 3"), buffers={"a.ml": A})
    with pytest.raises(Refused, match=r"a\.ml: changed where"):
        accept(world, turn, suggestion)


def test_it_is_handed_over_once_unless_it_was_not_written(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    given = accept(world, turn, suggestion)
    for hunks in ((), ("1",)):
        with pytest.raises(Refused) as refused:
            accept(world, turn, suggestion, *hunks)
        assert refused.value.code == "already-accepted"
    world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=given.acceptance, applied=False, note="busy"))
    again = accept(world, turn, suggestion)
    assert again.acceptance != given.acceptance
    for _ in range(2):
        world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=again.acceptance, applied=True))
        world.ask(catalogue.SUGGESTION_UNDONE, SuggestionUndone(acceptance=again.acceptance))
        world.ask(catalogue.SUGGESTION_SHOWN, SuggestionShown(turn=turn, suggestion=suggestion))
    people = (Step.SHOWN, Step.ACCEPTED, Step.REFUSED, Step.UNDONE)
    assert [step for step, *_ in events(world, *people)] == [Step.ACCEPTED, Step.UNDONE, Step.SHOWN]
    assert len(world.log.accepted()) == 1


def test_what_was_undone_can_be_accepted_again(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    first = accept(world, turn, suggestion)
    world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=first.acceptance, applied=True))
    (world.root / "a.ml").write_text(FIXED)
    with pytest.raises(Refused):
        accept(world, turn, suggestion)
    (world.root / "a.ml").write_text(A)
    for _ in range(2):
        world.ask(catalogue.SUGGESTION_UNDONE, SuggestionUndone(acceptance=first.acceptance))
    second = accept(world, turn, suggestion)
    assert (second.acceptance != first.acceptance, second.files) == (True, first.files)


def test_new_deleted_and_renamed_files(world: World) -> None:
    reply = "new.ml\n```\nlet fresh = 1\n```\n\nb.ml\n<<<< delete\n\n" + fixing("let x = 3")
    turn, suggestion = made(world, reply, place=IN_B)
    kinds = {file.path: file.kind for file in world.suggestions(turn)[suggestion].files}
    assert kinds == {"a.ml": "change", "b.ml": "delete", "new.ml": "create"}
    given = {file.path: file for file in accept(world, turn, suggestion).files}
    assert (given["new.ml"].base_sha256, given["new.ml"].text) == (None, "let fresh = 1\n")
    assert (given["b.ml"].base_sha256, given["b.ml"].text) == (sha256_of(B), None)


def test_a_renamed_file(world: World) -> None:
    reply = render_reply(Edit(files=(RenameFile(path="a.ml", new_path="c.ml"),)))
    turn, suggestion = made(world, reply, kind="ask", prompt="Call it c.", buffers={})
    (file,) = world.suggestions(turn)[suggestion].files
    assert (file.path, file.kind, file.new_path, file.hunks) == ("a.ml", "rename", "c.ml", ())
    (world.root / "c.ml").write_text("somebody else's\n")
    with pytest.raises(Refused) as refused:
        accept(world, turn, suggestion)
    assert refused.value.code == "stale"
    (world.root / "c.ml").unlink()
    world.tell("file/saved", catalogue.FILE_SAVED.params(workspace=world.name, path="c.ml"))
    old, new = accept(world, turn, suggestion).files
    assert (old.path, old.text, new.path, new.base_sha256, new.text) == ("a.ml", None, "c.ml", None, A)


def test_a_renamed_file_without_hunks_is_chosen_by_its_path(world: World) -> None:
    reply = render_reply(Edit(files=(RenameFile(path="a.ml", new_path="c.ml"),))) + "\n" + block("b.ml", (B, B + "\n"))
    turn, suggestion = made(world, reply, kind="ask", prompt="Call it c.", buffers={})
    with pytest.raises(Refused, match=r"'c\.ml'"):
        world.ask(catalogue.SUGGESTION_REFUSE, SuggestionRefuse(turn=turn, suggestion=suggestion, hunks=("c.ml",)))
    given = accept(world, turn, suggestion, "a.ml")
    assert [(file.path, file.text) for file in given.files] == [("a.ml", None), ("c.ml", A)]
    with pytest.raises(Refused) as again:
        accept(world, turn, suggestion, "a.ml", "1")
    assert again.value.code == "already-accepted"
    world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=given.acceptance, applied=True))
    world.ask(catalogue.SUGGESTION_REFUSE, SuggestionRefuse(turn=turn, suggestion=suggestion, hunks=("1",)))
    assert [step for step, *_ in events(world, Step.ACCEPTED, Step.REFUSED)] == [Step.ACCEPTED, Step.REFUSED]


def test_after_a_restart_the_rest_can_still_be_accepted(world: World) -> None:
    turn, suggestion = made(world, TWO_PLACES, place=IN_B)
    first, second, third = (hunk.id for file in world.suggestions(turn)[suggestion].files for hunk in file.hunks)
    accept(world, turn, suggestion, first)
    world.restart()
    with pytest.raises(Refused) as closed:
        accept(world, turn, suggestion, second)
    assert closed.value.code == "unknown-workspace"
    world.open()
    # what was handed over before is not handed over again
    with pytest.raises(Refused) as twice:
        accept(world, turn, suggestion, first)
    assert twice.value.code == "already-accepted"
    world.equipment.judge = ScriptedJudge(lambda _tree, _suite: Status.RED)
    world.restart()
    world.open()
    # the badge is that of the build as it is now, not of the one before
    assert accept(world, turn, suggestion, second).badge is Badge.ERRORS
    world.restart()
    world.open()
    # a text that changed meanwhile is seen
    (world.root / "a.ml").write_text("let gone = 1\n")
    (world.root / "b.ml").write_text("let gone = 1\n")
    world.tell("file/saved", catalogue.FILE_SAVED.params(workspace=world.name, path="a.ml"))
    world.tell("file/saved", catalogue.FILE_SAVED.params(workspace=world.name, path="b.ml"))
    with pytest.raises(Refused) as stale:
        accept(world, turn, suggestion, third)
    assert stale.value.code == "stale"
    world.ask(catalogue.SUGGESTION_REFUSE, SuggestionRefuse(turn=turn, suggestion=suggestion, hunks=(third,)))
    assert events(world, Step.REFUSED) == [(Step.REFUSED, 1, 3)]
    # neither words nor replies are kept with it
    (kept,) = (world.root.parent / "aid" / "turns").glob("*.json")
    assert '"reply":null' in kept.read_text()


def test_after_a_restart_an_acceptance_is_known_and_counts_once(world: World) -> None:
    turn, suggestion = made(world, TWO_PLACES, place=IN_B)
    given = accept(world, turn, suggestion)
    written = SuggestionApplied(acceptance=given.acceptance, applied=True)
    for _ in range(2):
        world.restart()
        world.open()
        world.ask(catalogue.SUGGESTION_APPLIED, written)
    world.restart()
    world.open()
    # what was written can be undone, and then accepted again
    for _ in range(2):
        world.ask(catalogue.SUGGESTION_UNDONE, SuggestionUndone(acceptance=given.acceptance))
    assert [step for step, *_ in events(world, Step.ACCEPTED, Step.UNDONE)] == [Step.ACCEPTED, Step.UNDONE]
    assert accept(world, turn, suggestion).acceptance != given.acceptance
    for unknown in (f"{turn}-0", "f00-0", "../x-0", ""):
        with pytest.raises(Refused) as refused:
            world.ask(catalogue.SUGGESTION_APPLIED, SuggestionApplied(acceptance=unknown, applied=True))
        assert refused.value.code == "unknown-acceptance"


def test_a_renamed_program_stays_one(world: World) -> None:
    (world.root / "a.ml").chmod(0o755)
    reply = render_reply(Edit(files=(RenameFile(path="a.ml", new_path="c.ml"),)))
    turn, suggestion = made(world, reply, kind="ask", prompt="Call it c.", buffers={})
    given = accept(world, turn, suggestion)
    assert [(file.path, file.executable) for file in given.files] == [("a.ml", False), ("c.ml", True)]
    # as a client without buffers writes it
    write_handed_over(world.root, world.store, given.files)
    assert not (world.root / "a.ml").exists()
    assert (world.root / "c.ml").read_text() == A
    assert (world.root / "c.ml").stat().st_mode & 0o777 == 0o755


def test_a_link_that_came_meanwhile_is_not_written_through(world: World) -> None:
    turn, suggestion = made(world, fixing("let x = 3"))
    (world.root / "a.ml").rename(world.root / "elsewhere.txt")
    (world.root / "a.ml").symlink_to("elsewhere.txt")
    with pytest.raises(Refused) as refused:
        accept(world, turn, suggestion)
    assert refused.value.code == "link"


def test_line_ends_and_a_missing_last_one_stay(world: World) -> None:
    text = 'let one = 1\r\nlet x = 1 + "2"\r\nlet last = "ü"'
    turn, suggestion = made(world, fixing("let x = 3"), buffers={"a.ml": text})
    given = accept(world, turn, suggestion, buffers={"a.ml": text})
    assert given.files[0].text == 'let one = 1\r\nlet x = 3\r\nlet last = "ü"'
    assert not given.rebased


@pytest.mark.parametrize(
    ("turn", "suggestion", "hunk", "code"),
    [("", "", "9", "no-hunk"), ("", "nothing", "", "unknown-suggestion"), ("nowhere", "", "", "unknown-turn")],
)
def test_what_is_not_there_is_named(world: World, turn: str, suggestion: str, hunk: str, code: str) -> None:
    there, best = made(world, fixing("let x = 3"))
    with pytest.raises(Refused) as refused:
        accept(world, turn or there, suggestion or best, *([hunk] if hunk else []))
    assert refused.value.code == code
