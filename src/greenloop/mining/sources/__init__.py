"""Where examples come from: one source a file, all behind one seam.

A source says what it needs when it is made. It yields proven examples one after another, and counts under names what it
left out, so that all sources are written, counted and read alike.
"""
