"""What became of suggestions: an append-only log of what was asked, shown, accepted and refused, and the funnel.

The log (``log``) has words and trees, for mining. The funnel (``funnel``) has steps, times and labels, for statistics.
Invariants: events are only ever added, each whole or (after a crash) as one torn line that readers report; nothing
is rewritten, sorted or dropped.
Absent here: judgement, statistics, the suggestions themselves (events name their trees), clocks; in the funnel also
prompts, code and paths.
"""
