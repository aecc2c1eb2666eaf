"""The door of the code evaluation service: HTTP before a ``Backend``.

Invariants: nothing is judged here; a client that goes away takes its work with it; every refusal is
``application/problem+json`` with a stable reason; a token is compared in constant time and never written anywhere.
Imported by the command line alone; absent here: what a judgement is, where the home is.
"""

from greenloop.ces.server.addresses import Address, TcpAddress, UnixAddress
from greenloop.ces.server.app import create_app
from greenloop.ces.server.door import Bounds, Door
from greenloop.ces.server.run import in_background, serve

__all__ = ["Address", "Bounds", "Door", "TcpAddress", "UnixAddress", "create_app", "in_background", "serve"]
