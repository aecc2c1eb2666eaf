"""The whole journey: an unsaved interface breaks a project, and the model and the sidecar change while it is mended."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.aid.conftest import FILES, INTERFACE, MENDED, Desk, ModelServer, mending
from tests.e2e.aid.talks import OnSocket, OnStdio, Talk, turn, until

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.session import BuildState, Status, WorkspaceOpen
from greenloop.aid.protocol.turns import (
    Buffer,
    Outcome,
    Proposed,
    SuggestionAccept,
    SuggestionApplied,
    SuggestionRefuse,
    SuggestionShown,
    TurnDelta,
    TurnEnded,
    TurnStart,
)
from greenloop.models.scripted_server import Served, event, streamed
from greenloop.records import Badge
from greenloop.records.funnel import Step

Connect = Callable[..., Any]


@pytest.mark.parametrize("connect", [OnSocket, OnStdio], ids=["socket", "aid connect"])
def test_an_editor_is_helped_while_everything_behind_it_changes(
    desk: Desk, serve: Callable[[], ModelServer], connect: Connect
) -> None:
    first, second = serve(), serve()
    desk.choose(first.server.url, "first")
    desk.greenloop("aid", "start")
    assert "is trusted" in desk.greenloop("aid", "trust")
    began = _sidecar(desk)
    with connect(desk.app) as talk:
        workspace = talk.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(desk.root / "lib/price.mli"))).workspace
        assert _sidecar(desk)["clients"] == ["journey"]
        until(talk, lambda news: isinstance(news, Status) and news.state is BuildState.GREEN)

        first.answer = streamed(mending(*MENDED))
        start = TurnStart(
            workspace=workspace,
            kind="fix",
            prompt="fix that error",
            buffers=(Buffer(path="lib/price.mli", text=INTERFACE),),
        )
        best = _fixed(talk, start)
        _one_hunk_is_taken_and_another_refused(desk, talk, best)
        _the_funnel_is_told(desk, best[0].turn)

        # another model: the next turn is its, in the same sidecar
        desk.choose(second.server.url, "second")
        second.answer = Served([event({"content": "Let me see."})], then="hang")
        rest = TurnStart(workspace=workspace, kind="fix", prompt="fix that error")
        doomed = talk.call(catalogue.TURN_START, rest).turn
        until(talk, lambda news: isinstance(news, TurnDelta) and news.turn == doomed)
        assert [one["model"] for one in second.asked] == ["second"]
        assert _sidecar(desk)["session"] == began["session"]

        # another sidecar, in the middle of that turn; the connection stays
        desk.greenloop("aid", "restart")
        ended = until(talk, lambda news: isinstance(news, TurnEnded) and news.turn == doomed)[-1]
        assert ended.fault.code == "sidecar-restarted"
        second.answer = streamed(mending("lib/bill.ml", "lib/mean.ml"))
        best = _fixed(talk, rest)
        now = _sidecar(desk)
        assert (now["session"] != began["session"], now["clients"]) == (True, ["journey"])
        assert [one["model"] for one in (*first.asked, *second.asked)] == ["first", "second", "second"]
        _take(desk, talk, best, *(hunk.id for file in best[1].files for hunk in file.hunks))
        until(talk, lambda news: isinstance(news, Status) and news.state is BuildState.GREEN)
    assert {path: (desk.root / path).read_text() for path in FILES} == FILES | MENDED | {"lib/price.mli": INTERFACE}
    assert not (desk.root / "_build").exists()


def _sidecar(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(desk.greenloop("aid", "status", "--json"))
    return found


def _fixed(talk: Talk, start: TurnStart) -> tuple[TurnEnded, Proposed]:
    """Make a turn whose best suggestion is an honest fix of several files, shown before and after it was checked."""
    ended, suggestions, seen = turn(talk, start)
    assert (ended.outcome, ended.fault, ended.summary) == (Outcome.DONE, None, "Fixed: type-checks.")
    badges = [one.suggestion.badge for one in seen if getattr(one, "suggestion", None)]
    assert badges == [Badge.UNVERIFIED, Badge.TYPE_CHECKS]
    best = suggestions[ended.order[0]]
    assert (best.badge, best.fixed, best.flags, len(best.files) > 1) == (Badge.TYPE_CHECKS, True, (), True)
    return ended, best


def _take(desk: Desk, talk: Talk, of: tuple[TurnEnded, Proposed], *hunks: str) -> Badge:
    """Accept hunks, and write what is handed over; return the badge of just these."""
    given = talk.call(
        catalogue.SUGGESTION_ACCEPT, SuggestionAccept(turn=of[0].turn, suggestion=of[1].id, hunks=tuple(hunks))
    )
    desk.save({file.path: file.text or "" for file in given.files})
    applied = SuggestionApplied(acceptance=given.acceptance, applied=True)
    assert talk.call(catalogue.SUGGESTION_APPLIED, applied) == Empty()
    return given.badge


def _one_hunk_is_taken_and_another_refused(desk: Desk, talk: Talk, best: tuple[TurnEnded, Proposed]) -> None:
    ended, suggestion = best
    assert [file.path for file in suggestion.files] == sorted(MENDED)
    hunks = {file.path: file.hunks[0].id for file in suggestion.files}
    talk.call(catalogue.SUGGESTION_SHOWN, SuggestionShown(turn=ended.turn, suggestion=suggestion.id))
    # the interface is still unsaved; of one file alone it is said that it does not do
    assert _take(desk, talk, best, hunks["lib/price.ml"]) is Badge.ERRORS
    assert (desk.root / "lib/price.ml").read_text() == MENDED["lib/price.ml"]
    refused = SuggestionRefuse(turn=ended.turn, suggestion=suggestion.id, hunks=(hunks["lib/mean.ml"],))
    assert talk.call(catalogue.SUGGESTION_REFUSE, refused) == Empty()
    assert (desk.root / "lib/mean.ml").read_text() == FILES["lib/mean.ml"]
    desk.save({"lib/price.mli": INTERFACE})
    left = {"lib/bill.ml", "lib/mean.ml"}

    def red(news: object) -> bool:
        return isinstance(news, Status) and news.state is BuildState.RED and {one.path for one in news.problems} <= left

    until(talk, red)


def _the_funnel_is_told(desk: Desk, name: str) -> None:
    events = [event for event in desk.app.home.funnel.events() if event.turn == name]
    steps = [event.step for event in events]
    assert steps[0] is Step.REQUESTED
    wanted = {Step.PROPOSED, Step.PARSED, Step.APPLIED, Step.VERIFIED, Step.ENDED, Step.SHOWN, Step.ACCEPTED}
    assert set(steps) == wanted | {Step.REQUESTED, Step.REFUSED}
    hunks = {event.step: event.hunks for event in events}
    assert (hunks[Step.SHOWN], hunks[Step.ACCEPTED], hunks[Step.REFUSED]) == (3, 1, 1)
    # and so a person sees it
    told = json.loads(desk.greenloop("metrics", "--json"))
    assert told["turns"] == 1
    assert {step: told["hunks"][step] for step in ("shown", "accepted", "refused")} == {
        "shown": 3, "accepted": 1, "refused": 1
    }  # fmt: skip
    sent = json.loads(desk.greenloop("aid", "explain", name, "--json"))["parts"]
    assert any("fix that error" in part["text"] for part in sent)
    assert any("The implementation lib/price.ml" in part["text"] for part in sent)
