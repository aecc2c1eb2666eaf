"""The other side of the door: starting the sidecar, staying connected over its restarts, a client for Python.

Invariants: whoever uses this sees no more of a restart than a pause; what was sent and may have had an effect is never
sent again, but ends with the fault ``sidecar-restarted``; what is safe to repeat is repeated.
Absent here: what the sidecar does.
"""
