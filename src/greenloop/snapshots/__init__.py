"""The history of workspaces: trees and times, from the recorder or from an importer.

Invariants: order is by sequence number, never by the clock; a secret is stopped before it is written; nothing of
the user's is touched. Absent here: examples, prompts, judging.
"""
