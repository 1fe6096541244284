"""Which agents a gang of ranks gets, and what to do when something happens to it.

Pure: no I/O, clock, thread, randomness or logging. Events in, commands out.
"""
