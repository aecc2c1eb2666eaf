"""Asking the person, through the client that a request came from."""

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.tools import ApprovalRequest
from greenloop.aid.service import Peer
from greenloop.aid.tools.seam import Approve, Ask
from greenloop.builds.stop import Stop


def asking(peer: Peer, stop: Stop, turn: str = "") -> Approve:
    """Return what asks the person at ``peer``; ``turn`` names the turn whose model wants the call.

    It raises ``Refused`` (``cannot-approve``) where the client answers no such questions, ``Cancelled`` when it has
    gone or ``stop`` is requested.
    """

    def approve(ask: Ask) -> bool:
        request = ApprovalRequest(turn=turn, tool=ask.tool, arguments=dict(ask.arguments), why=ask.why)
        return peer.ask(catalogue.APPROVAL_REQUEST, request, stop).approved

    return approve
