"""Metrics: what becomes of turns, counted where it happens and kept on this machine.

Invariants: every event passes one writer; no prompt, no code and no path is in an event, a metric or a span; nothing
leaves the machine unless an exporter is configured; metrics that cannot be written never end a turn in silence: the
writer raises, and the caller decides.
Absent here: statistics (``evals``), and the words that people typed, which go to ``feedback`` alone.
"""
