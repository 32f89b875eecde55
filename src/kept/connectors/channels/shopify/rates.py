"""Shopify's rate rule for the Admin GraphQL API: points, by the shop's plan.

Source: shopify.dev, "Rate limits": 100 points a second on the smallest plan to 2,000 on the largest, and a bucket of
20 times that. We begin with the smallest; each answer says what the shop really has.
"""

from __future__ import annotations

from kept.connectors.traffic import Rates
from kept.engine.quotas import Rate

RATES = Rates(account=Rate(per_s=100.0, burst=2000.0))
