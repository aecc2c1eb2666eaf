"""What a person can ask for, one file an ability: ``fix`` what is red, ``ask`` in words; ``propose`` is their turn.

Invariants: every candidate is applied to the tree that was asked about and judged before it is shown; no suggestion
without its badge; what could not be verified is said plainly; nothing is written to the person's files here
(``workspace.writeback`` does that, when the person accepts).
Absent here: editor protocols, prompts, the terminal, and any list of models.
"""
