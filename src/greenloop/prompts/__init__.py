"""From a question about a tree to the messages for a model, and from its reply to an edit.

Invariants: rendering a prompt and reading a reply exist once, here, for training, evaluation and serving alike;
the same question on the same tree gives the same bytes; the token budget is never exceeded; code is shown verbatim.
Absent here: network, models that answer, verdicts, files on disk, and any knowledge of which model will read it.
"""
