"""Choosing centres: the promise first, then the cost, and never stock that is not there (docs/routing.md)."""

from __future__ import annotations

from kept.domain.routing.calendars import departure
from kept.domain.routing.demand import Candidate, Costs, Demand, Flip, NoPlan, RuledOut, Situation, Stock
from kept.domain.routing.offers import Leaving
from kept.domain.routing.policy import Band, CentreProfile, Lane, Override, RoutingPolicy, Rule, Service
from kept.domain.routing.router import Plan, plan, take

__all__ = [
    "Band",
    "Candidate",
    "CentreProfile",
    "Costs",
    "Demand",
    "Flip",
    "Lane",
    "Leaving",
    "NoPlan",
    "Override",
    "Plan",
    "RoutingPolicy",
    "Rule",
    "RuledOut",
    "Service",
    "Situation",
    "Stock",
    "departure",
    "plan",
    "take",
]
