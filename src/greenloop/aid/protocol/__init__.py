"""What editors and the sidecar say to each other: JSON-RPC 2.0, its params and results as frozen records.

Invariants: requests carry the unsaved buffers that they were made from, so nobody guesses at the disk; edits are whole
lines, so that no layer computes with columns; every message is described by the JSON schema in ``protocol/``, which is
made from these classes, and stands there as a golden message that every side's tests replay.
Absent here: sockets, and what is done about a message.
"""
