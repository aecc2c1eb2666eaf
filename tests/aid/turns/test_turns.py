"""What a person sees of a turn, told to an editor that remembers."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Position
from greenloop.aid.protocol.session import BuildState, WorkspaceRef
from greenloop.aid.protocol.turns import (
    ConversationRef,
    Outcome,
    Place,
    Stage,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnExplain,
    TurnProgress,
    TurnRef,
)
from greenloop.aid.scripted import ScriptedPeer
from greenloop.builds.scripted import ScriptedJudge
from greenloop.candidates.hints import HintSource
from greenloop.candidates.sampling import Sampling
from greenloop.models.scripted import Pace, ScriptedModel
from greenloop.models.several import FallbackModel
from greenloop.records import Badge, FeedbackKind, ModelError, Refused
from greenloop.records.funnel import Step
from greenloop.workspace.store import TreeStore

from .conftest import FILES, GENEROUS, RED_LINE, World, block, error_in, fixing


def kinds(world: World, turn: str) -> list[str]:
    return [event.step.value for event in world.funnel.events() if event.turn == turn]


def test_a_fix_is_shown_unverified_and_then_with_its_badge(world: World) -> None:
    world.open()
    world.script([fixing("let x = 1 + 2")])
    ended, turn = world.turn()

    assert (ended.outcome, ended.summary) == (Outcome.DONE, "Fixed: type-checks.")
    told = [one.suggestion for one in world.news(turn) if isinstance(one, TurnCandidate)]
    assert [(one.badge, one.label) for one in told] == [
        (Badge.UNVERIFIED, "unverified: being checked"),
        (Badge.TYPE_CHECKS, "type-checks"),
    ]
    assert ended.order == (told[-1].id,)
    (file,) = told[-1].files
    (hunk,) = file.hunks
    assert (file.path, file.kind) == ("a.ml", "change")
    assert (hunk.start, hunk.end, hunk.old, hunk.new) == (2, 3, RED_LINE, "let x = 1 + 2\n")
    assert (told[-1].fixed, told[-1].source, told[-1].flags) == (True, "model", ())
    assert "+let x = 1 + 2" in told[-1].diff
    deltas = [one for one in world.news(turn) if isinstance(one, TurnDelta)]
    assert "".join(one.text for one in deltas) == fixing("let x = 1 + 2")
    # the end is written down after the editor was told of it
    wait(lambda: "ended" in kinds(world, turn))
    assert set(kinds(world, turn)) == {"requested", "proposed", "parsed", "applied", "verified", "ended"}
    end = next(event for event in world.funnel.events() if event.step is Step.ENDED)
    assert end.outcome == "done"
    assert 0 <= (end.first_token_ms or 0) <= (end.first_diff_ms or 0) <= (end.verified_ms or 0) <= (end.total_ms or 0)
    assert None not in (end.first_token_ms, end.first_diff_ms, end.verified_ms)


def test_the_tree_is_that_with_the_unsaved_buffers(world: World, store: TreeStore) -> None:
    world.open()
    model = world.script([block("a.ml", ("let y = unknown", "let y = 4"))])
    ended, turn = world.turn(buffers={"a.ml": "let y = unknown\n", "b.ml": None, "new.ml": "let z = 1\n"})
    (shown,) = world.suggestions(turn).values()
    assert (ended.summary, shown.files[0].hunks[0].old) == ("Fixed: type-checks.", "let y = unknown\n")
    tree = next(event.base for event in world.log.read() if event.kind is FeedbackKind.REQUESTED)
    assert sorted(store.files(tree)) == ["a.ml", "new.ml"]
    assert "Unbound value unknown" in model.requests[0].messages[-1].content
    assert (world.root / "a.ml").read_text() == FILES["a.ml"]


def test_a_red_reply_goes_back_with_the_compilers_message(world: World) -> None:
    world.open()
    model = world.script([fixing("let x = unknown"), fixing("let x = 3")])
    ended, turn = world.turn()
    assert ended.summary == "Fixed: type-checks. Best of 2."
    best = world.suggestions(turn)[ended.order[0]]
    assert (best.repaired, best.fixed) == (1, True)
    second = model.requests[1].messages
    assert [message.role for message in second] == ["system", "user", "assistant", "user"]
    assert second[2].content == fixing("let x = unknown")
    assert "Unbound value unknown" in second[3].content
    assert "let x = unknown" in second[3].content
    stages = [one.stage for one in world.news(turn) if isinstance(one, TurnProgress)]
    assert Stage.REPAIRING in stages


def test_repairs_end_after_two_rounds(world: World) -> None:
    world.open()
    model = world.script([fixing(f"let x = unknown {n}") for n in range(9)])
    ended, turn = world.turn()
    assert len(model.requests) == 3
    assert ended.summary == "Nothing here is verified to work: 1 error. Best of 3."
    assert {one.badge for one in world.suggestions(turn).values()} == {Badge.ERRORS}
    assert all(one.problems[0].message == "Unbound value unknown" for one in world.suggestions(turn).values())


def test_a_stub_is_flagged_and_last(world: World) -> None:
    world.open()
    world.script(
        lambda request: [fixing('let x = failwith "TODO"'), fixing("let x = 3")][: request.n],
        sampling=Sampling(greedy=0, sampled=2),
    )
    ended, turn = world.turn()
    shown = world.suggestions(turn)
    assert [shown[name].files[0].hunks[0].new for name in ended.order] == [
        "let x = 3\n",
        'let x = failwith "TODO"\n',
    ]
    assert shown[ended.order[1]].flags == ("it puts a stub in the place of code",)
    assert shown[ended.order[1]].badge is Badge.TYPE_CHECKS


def test_green_code_needs_no_fix_and_no_model(world: World) -> None:
    world.open()
    model = world.script([])
    ended, _ = world.turn(buffers={"a.ml": "let fine = 1\n"})
    assert (ended.outcome, ended.summary) == (Outcome.DONE, "The code is green: there is nothing to fix.")
    assert model.requests == []


def test_asking_in_words_about_a_place(world: World) -> None:
    world.open()
    model = world.script([block("b.ml", ("let two = 2", "let two = 22"))])
    where = Place(path="b.ml", cursor=Position(line=0, column=3))
    ended, turn = world.turn(kind="ask", prompt="Make two larger.", place=where, buffers={"a.ml": "let a = 1\n"})
    assert ended.summary == "Type-checks."
    assert "Make two larger." in model.requests[0].messages[-1].content
    assert "File b.ml" in model.requests[0].messages[-1].content
    explained = world.ask(catalogue.TURN_EXPLAIN, TurnExplain(turn=turn))
    for message in model.requests[0].messages:
        assert "\n\n".join(part.text for part in explained.parts if part.role == message.role) == message.content
    assert all(part.why and part.plugin for part in explained.parts)


def test_the_newest_turn_is_explained_without_its_name(world: World) -> None:
    world.open()
    newest = TurnExplain()
    with pytest.raises(Refused, match="no turn was made") as caught:
        world.ask(catalogue.TURN_EXPLAIN, newest)
    assert caught.value.code == "unknown-turn"
    world.script([fixing("let x = 3")])
    _, first = world.turn(prompt="the first")
    another = world.peer("another")
    world.open(peer=another)
    second = world.start(another, prompt="the second").turn
    world.ended(second, another)
    for name, asked in (("", second), (first, first), (second, second)):
        told = world.ask(catalogue.TURN_EXPLAIN, TurnExplain(turn=name))
        assert told.turn == asked
        assert told == world.ask(catalogue.TURN_EXPLAIN, TurnExplain(turn=asked))
        assert any(("the second" if asked == second else "the first") in part.text for part in told.parts)


def test_hints_need_no_model(world: World) -> None:
    world.open()
    world.equipment.made = replace_strategy(world, model=None, sources=(HintSource(),))
    ended, _ = world.turn()
    assert ended.summary == "Nothing was proposed."


def replace_strategy(world: World, **fields: Any) -> Any:
    from dataclasses import replace

    return replace(world.equipment.made, **fields)


def test_the_conversation_goes_on(world: World) -> None:
    world.open()
    first = block("b.ml", ("let two = 2", "let deux = 2"))
    model = world.script([first, block("b.ml", ("let three = 3", "let trois = 3"))])
    started = world.start(kind="ask", prompt="Rename two.", buffers={"a.ml": "let a = 1\n"})
    world.ended(started.turn)
    again = world.start(
        kind="ask", prompt="No, rename three.", conversation=started.conversation, buffers={"a.ml": "let a = 1\n"}
    )
    world.ended(again.turn)
    assert again.conversation == started.conversation
    told = [(message.role, message.content) for message in model.requests[1].messages]
    assert told[1] == ("user", "Rename two.")
    assert told[2] == ("assistant", first)
    assert "not written" in told[3][1]
    assert told[-1][1].endswith("No, rename three.")
    said = said_in(world, started.conversation)
    assert [(one.role, one.text) for one in said][::2] == [("person", "Rename two."), ("person", "No, rename three.")]
    (listed,) = world.ask(catalogue.CONVERSATION_LIST, WorkspaceRef(workspace=world.name)).conversations
    assert (listed.title, listed.said) == ("Rename two.", ())


def said_in(world: World, conversation: str) -> Any:
    return world.ask(catalogue.CONVERSATION_READ, ConversationRef(conversation=conversation)).said


def test_what_was_said_is_kept_when_the_end_is_told(world: World) -> None:
    class Reader(ScriptedPeer):
        """Asks for the conversation the moment that it hears of the end."""

        kept = ""

        def notify(self, kind: Any, params: Any) -> None:
            if isinstance(params, TurnEnded):
                self.kept = said_in(world, started.conversation)[-1].text
            super().notify(kind, params)

    reader = Reader()
    world.peers.insert(0, reader)
    world.open()
    # the reply comes after the name of its conversation
    world.script([fixing("let x = 3")], pace=Pace(first_seconds=0.2))
    started = world.start()
    world.ended(started.turn)
    assert reader.kept == fixing("let x = 3")


def test_cancelling_while_the_model_speaks(world: World) -> None:
    world.open()
    model = world.script(["x" * 1000], pace=Pace(first_seconds=0.0, delta_seconds=600.0))
    started = world.start()
    wait(lambda: any(isinstance(one, TurnDelta) for one in world.news(started.turn)))
    world.ask(catalogue.TURN_CANCEL, TurnRef(turn=started.turn))
    assert world.ended(started.turn).outcome is Outcome.CANCELLED
    wait(lambda: model.cancelled == 1)


@pytest.fixture
def judging(request: pytest.FixtureRequest) -> Callable[[TreeStore], ScriptedJudge]:
    seconds = getattr(request, "param", 0.0)
    return lambda store: ScriptedJudge(lambda tree, suite: error_in(store, tree), seconds=seconds)


@pytest.mark.parametrize("judging", [600.0], indirect=True)
def test_cancelling_while_the_build_runs(world: World) -> None:
    world.open()
    world.script([fixing("let x = 3")])
    started = world.start()
    wait(lambda: any(isinstance(one, TurnProgress) and one.stage is Stage.CHECKING for one in world.news(started.turn)))
    world.ask(catalogue.TURN_CANCEL, TurnRef(turn=started.turn))
    assert world.ended(started.turn).outcome is Outcome.CANCELLED
    wait(lambda: not world.service.busy())


def wait(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GENEROUS
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_client_that_goes_takes_its_turns_with_it(world: World) -> None:
    world.open()
    model = world.script(["x" * 100], pace=Pace(first_seconds=600.0))
    other = world.peer()
    world.open(peer=other)
    started = world.start(peer=other)
    wait(lambda: len(model.requests) == 1)
    world.service.left(other)
    assert world.ended(started.turn, other).outcome is Outcome.CANCELLED


def test_a_model_that_fails_is_the_turns_fault(world: World) -> None:
    def down(request: object) -> list[str]:
        raise ModelError("the model is down", "start it")

    world.open()
    world.script(down)
    ended, _ = world.turn()
    assert ended.outcome is Outcome.FAILED
    assert ended.fault is not None
    assert (ended.fault.code, ended.fault.message, ended.fault.way_out) == ("model", "the model is down", "start it")


def test_no_arm_shows_where_its_model_fails(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def down(request: object) -> list[str]:
        raise ModelError("giant-7b at http://127.0.0.1:9/v1: cannot be reached", "start giant-7b")

    world.open()
    failing = ScriptedModel(down, name="giant-7b")
    for model in (failing, FallbackModel([failing, ScriptedModel(["no"] * 9, name="dwarf-1b")])):
        world.use(model, arms={"size": "giant"})
        ended, turn = world.turn()
        told = "".join(message.model_dump_json() for message in world.news(turn))
        assert "the model gave no usable answer" in told
        assert "giant" not in told + ended.model_dump_json()
        assert "dwarf" not in told
    assert caplog.text.count("giant-7b at http") >= 2


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (block("../outside.ml", ("a", "b")), "outside-tree"),
        (block(".git/config", ("a", "b")), "vcs-path"),
        ("I would rather not.", "no-edit"),
        (block("a.ml", ("let nowhere = 0", "let x = 1")), "no-match"),
    ],
)
def test_a_reply_that_cannot_be_applied_is_refused_by_name(world: World, reply: str, reason: str) -> None:
    world.open()
    model = world.script([reply] * 3)
    ended, turn = world.turn()
    assert "This could not be applied" in model.requests[2].messages[-1].content
    assert (ended.outcome, ended.order) == (Outcome.DONE, ())
    assert ended.summary.startswith("Nothing to show")
    assert ended.text == reply
    assert reason in {event.fault for event in world.funnel.events() if event.turn == turn}


@pytest.mark.parametrize(
    ("path", "code"), [("../x.ml", "outside-tree"), (".git/HEAD", "vcs-path"), ("link/x.ml", "link")]
)
def test_a_buffer_outside_of_the_workspace_is_refused_by_name(world: World, path: str, code: str) -> None:
    (world.root / "link").symlink_to(world.root.parent)
    world.open()
    world.script([])
    ended, _ = world.turn(buffers={path: "let x = 1\n"})
    assert ended.fault is not None
    assert ended.fault.code == code


def test_a_buffer_of_an_ignored_file_is_left_out_and_said_so(world: World, store: TreeStore) -> None:
    (world.root / "_build").mkdir()
    (world.root / "_build/made.ml").write_text("let made = 1\n")
    world.open()
    world.script([fixing("let x = 3")])
    ended, turn = world.turn(buffers={"_build/made.ml": "let made = 2\n"})
    assert ended.summary == "Fixed: type-checks."
    notes = [one.text for one in world.news(turn) if isinstance(one, TurnProgress)]
    assert any("_build/made.ml is left out: it is no part of the project's tree" in note for note in notes)


def test_a_secret_in_a_buffer_is_neither_stored_nor_sent(world: World, store: TreeStore) -> None:
    world.open()
    model = world.script([fixing("let x = 3")])
    ended, turn = world.turn(buffers={"b.ml": 'let key = "xyzzy"\n'})
    assert ended.summary == "Fixed: type-checks."
    assert "xyzzy" not in repr(model.requests)
    assert any("b.ml is left out: it holds a secret" in getattr(one, "text", "") for one in world.news(turn))
    tree = next(event.base for event in world.log.read())
    assert store.read(tree, "b.ml") == FILES["b.ml"].encode()


def test_an_untrusted_workspace_is_never_built(world: World) -> None:
    world.open(trusted=False)
    world.script([block("b.ml", ("let two = 2", "let two = 22"))])
    ended, turn = world.turn(kind="ask", prompt="Make two larger.")
    (shown,) = world.suggestions(turn).values()
    assert shown.label == "unverified: the workspace is not trusted, so nothing is built"
    assert ended.outcome is Outcome.DONE
    ended, _ = world.turn(kind="fix")
    assert ended.fault is not None
    assert ended.fault.code == "untrusted"
    assert world.equipment.built == []
    assert world.judge.asked == []
    assert world.ask(catalogue.STATUS_GET, WorkspaceRef(workspace=world.name)).state in {
        BuildState.UNKNOWN,
        BuildState.UNTRUSTED,
    }


def test_a_secret_that_was_typed_is_not_kept_in_the_log(world: World) -> None:
    world.open()
    world.script([block("b.ml", ("let two = 2", "let two = 22"))] * 2)
    world.turn(kind="ask", prompt="The secret is xyzzy.")
    world.turn(kind="ask", prompt="Say two.")
    assert [event.words for event in world.log.read() if event.kind is FeedbackKind.REQUESTED] == ["", "Say two."]
    assert "xyzzy" not in json.dumps([event.to_json() for event in (*world.log.read(), *world.funnel.events())])


def test_twenty_turns_of_three_editors_all_end(world: World) -> None:
    world.open()
    world.script(lambda request: [fixing("let x = 3")], pace=Pace(first_seconds=0.05, delta_seconds=0.01))
    peers = [world.peers[0], world.peer(), world.peer()]
    for peer in peers[1:]:
        world.open(peer=peer)
    started = [(peers[n % 3], world.start(peer=peers[n % 3]).turn) for n in range(20)]
    for peer, turn in started:
        assert world.ended(turn, peer).summary == "Fixed: type-checks."
