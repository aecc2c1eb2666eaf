"""The code evaluation service: one place that says, fast and truthfully, whether a change is good code.

Invariants: nothing is judged above a build that is not green; an infrastructure fault is its own status, tried again
elsewhere and never red; a verdict once reached is kept and found again by content; a cancelled request leaves no work
behind. Whatever judges is in ``builds``; here are the queue in front of it, the door, and the books.
Absent here: rewards, training code, models.
"""
