"""Faults to survive, on the real processes and servers. After each the audit holds and every order has ended.

The small tests run with `make test`, on shortened timers (`quick.py`); those marked `full` run with `make chaos`,
on the timers of production. A seed is in each test's id. It fixes what is done and at which progress of the work;
the interleaving of real processes is the machine's own, so a failure may need several runs to come back.
"""
