"""Gauges from the ledger at scrape time, in Prometheus' text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kept.domain.lifecycle import STEP_OF_STATE, OrderState, PartState
from kept.store.queries import Queries


async def render_metrics(queries: Queries) -> bytes:
    """Orders and parts by state, deliveries by step, dead letters, messages, refusals.

    Every state and step is there from the start, at zero, so that an increase is seen.
    """
    counts = await queries.counts()
    registry = CollectorRegistry()
    orders = Gauge("kept_orders", "Orders by state.", ["state"], registry=registry)
    for state in OrderState:
        orders.labels(state.value).set(counts["orders"].get(state.value, 0))
    parts = Gauge("kept_parts", "Fulfilment orders by state.", ["state"], registry=registry)
    for part_state in PartState:
        parts.labels(part_state.value).set(counts["parts"].get(part_state.value, 0))
    deliveries = Gauge("kept_deliveries", "Deliveries waiting, by step.", ["step"], registry=registry)
    for step in sorted(set(STEP_OF_STATE.values())):
        deliveries.labels(step).set(counts["steps"].get(step, {}).get("waiting", 0))
    subscriptions = Gauge("kept_subscriptions", "Subscriptions to events by state.", ["state"], registry=registry)
    for standing in ("active", "failing", "paused"):
        subscriptions.labels(standing).set(counts["subscriptions"].get(standing, 0))
    for name, text, value in (
        ("kept_events_behind", "Places in the feed that the slowest subscription is behind.", counts["events_behind"]),
        ("kept_event_lanes", "Orders whose events wait because an endpoint did not take one.", counts["lanes"]),
        ("kept_messages", "Messages in the inbox.", counts["messages"]),
        ("kept_dead_letters", "Dead letters that need a person.", counts["dead"]),
        ("kept_intake_refused", "Messages refused as not authentic.", counts["refused"]),
    ):
        Gauge(name, text, registry=registry).set(value)
    return generate_latest(registry)
