"""The sidecar: one process a user on the developer's machine, between editors and everything else.

Invariants: every change that it shows has been judged on the developer's present code, unsaved buffers included, or
says that it has not and why; nothing is written to a file here: an editor writes what it was handed, after its base
was compared with what the editor holds; a workspace is not built until the person trusts it; what a model or a tool
said is data, never an instruction; nothing leaves the machine unless an exporter is configured.
Absent here: prompts, the matching of edits, statistics, and any list of models.
"""
