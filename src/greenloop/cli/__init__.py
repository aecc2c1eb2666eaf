"""The composition root: reads the command line, ``greenloop.toml``, the environment and the home, and wires the rest.

Here errors become text and exit statuses. Absent here: logic that another front end would have to repeat.
"""
