"""Turns: a request, what comes of it, and what the person does with that.

Invariants: a suggestion is told with its badge, and is verified on the tree with the request's unsaved buffers in it,
or says why not; a turn ends with exactly one ``turn/ended``, cancelled ones within 200 ms; nothing is handed over for
writing unless its base is what the editor and the disk hold at that moment; an acceptance is handed over once; every
step is written to the log of feedback in one place (``journal``). Absent here: sockets, prompts, the matching of edits,
any list of models.
"""
