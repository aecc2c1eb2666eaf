"""The door of the sidecar: JSON-RPC on a Unix socket that only this user reaches, and the sidecar's life.

Invariants: one sidecar a home, whoever starts how many at once; what a client sends or fails to read can end that
client's connection, with a named error, and nothing else; a message is read within bounds and never logged; nothing
that the sidecar started outlives it, ``kill -9`` included, and nothing that it leaves needs a person to mend it.
Absent here: what a request is about.
"""
