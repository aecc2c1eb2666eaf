"""Trainers' and evaluators' own words for what the service says: one file a framework, a few dozen lines each.

Invariants: an edit that did not match exactly is never counted; a fault of the machine is nobody's reward (TRL:
``None``; verl and verifiers: an error); the reward is the caller's policy on the evaluation; and the hidden tests of a
task never stand in a prompt. Only ``verifiers`` imports its framework, whose classes it extends.
Absent here: training code, prompts' texts, policies (``ces.policy``).
"""
