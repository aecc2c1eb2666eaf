"""Verdicts on trees: staged checks of a tree under a named toolchain, in the sandbox, from a warm build.

Invariants: a verdict belongs to a tree, never to "the current state"; every stage runs in the sandbox, since a
build rule may run at type-check time; a fault of the machine is raised, never red and never stored; a warm build
is never changed while it is mounted; an exit code alone is never a pass where tests have names.
Absent here: HTTP, queues, models, prompts, and any policy on rewards.
"""
