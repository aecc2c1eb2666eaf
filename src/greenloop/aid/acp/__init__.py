"""The door for agent clients: the Agent Client Protocol (https://agentclientprotocol.com, version 1) on stdio.

Invariants: it is a client of the sidecar like every other, and knows nothing that the sidecar does not tell; a file is
written only after the person permitted it, and only on the very text that was handed over for it; what a model says
before it is judged is shown as a thought, never as a suggestion.
Absent here: models, prompts, builds, and the home.
"""
