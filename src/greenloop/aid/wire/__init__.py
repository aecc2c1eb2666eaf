"""Messages as bytes: ``Content-Length`` frames (the Language Server Protocol's base protocol) and JSON-RPC 2.0.

Invariants: nothing here reads or writes by itself; what cannot be read is refused by a stable name, and never costs
more than its bounds: no line, message or nesting is of unlimited size.
Absent here: sockets, threads, and what a message means.
"""
