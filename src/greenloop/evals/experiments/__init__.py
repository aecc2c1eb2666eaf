"""What an online experiment says: first whether its arms were filled as they should be, then how they differ.

Invariants: it may be looked at every day, and stopped at any time, without more false alarms than it states; a task
counts once, however many requests it had, and tasks of one developer are not taken for independent; where the sample
ratio is wrong, no effect is told.
Absent here: assigning arms, and knowledge of where events are kept.
"""
