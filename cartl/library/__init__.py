"""The client of notebooks and scripts: handles, typed answers, retries. `from cartl import Client`.

What is asked is written once, as generators of steps (``flows``); ``transports`` has the two that carry steps
out, one that waits and one that awaits.
"""
