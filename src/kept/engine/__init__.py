"""Runs steps: reads deliveries, performs effects once, settles outcomes, rings for what follows.

The engine knows deliveries, outcomes and effects; what an order is, it does not know.
"""
