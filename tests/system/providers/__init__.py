"""Providers played by processes of their own, each held to the rules of one real API.

`python -m tests.system.providers DIALECT` serves one on a free port. It shares no code with the
gateway: what it knows of the API it plays is written here a second time, on purpose. A request that
the real one would refuse is refused with the real one's status and shape of error. A good one is
answered by the script of `script.py`, which has whoever asks run its own tools over three turns.
"""
