"""Deterministic simulation of the engine's core under virtual time: real protocol, simulated world.

Start at `explore.py`: one seed makes one schedule. `world.py` builds what takes part in it.
"""
