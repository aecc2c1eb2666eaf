"""What chooses the context of a question: plug-ins, one a file, in an order and with shares that a recipe gives.

Invariants: a plug-in chooses through the draft alone, so none costs more than its share and each piece knows who chose
it and why; the same question on the same tree gives the same choice; no plug-in changes a byte of what it shows.
Absent here: which plug-ins run (``prompts.recipes``), and how what they choose is rendered.
"""
