"""Decisions as people and programs read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from kept.domain.routing import RoutingPolicy
from kept.domain.routing.backtest import Backtest, totals_of
from kept.domain.routing.record import RecordError, read, verified
from kept.domain.routing.words import explained
from kept.store.database import Database
from kept.store.queries import Queries
from kept.store.routing import Kept, RoutingRecords


async def decisions_of(database: Database, name: str) -> dict[str, Any] | None:
    """An order's decisions, the first one first, each with its words; None for an unknown order. Raises RecordError."""
    order = await Queries(database).order(name)
    if order is None:
        return None
    records = RoutingRecords(database)
    await records.load_policies()
    shown = []
    for kept in await records.of_order(order["id"]):
        record = read(kept.content)
        policy = records.policy(record["policy_sha256"])
        words = explained(record, policy.currency)
        shown.append({"at": kept.at, "sha256": kept.sha256, "policy": policy.name, "words": words, **record})
    return {"reference": order["reference"], "decisions": shown}


async def verified_since(database: Database, since: datetime, name: str = "") -> dict[str, Any]:
    """Decisions made again: how many, and those that differ or can't be read."""
    records = RoutingRecords(database)
    await records.load_policies()
    count, differing = 0, []
    async for each in _chosen(database, records, since, name):
        count += 1
        why = _difference(each, records)
        if why:
            differing.append({"reference": each.reference, "sha256": each.sha256, "why": why})
    return {"decisions": count, "differing": differing}


async def backtested(
    database: Database, policy: RoutingPolicy, since: datetime, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """Decisions since then under another policy: totals, and each that would have been another. Raises RecordError."""
    records, again = RoutingRecords(database), Backtest(policy)
    count, rows = await records.count_since(since), []
    async for kept in records.since(since):
        rows.append(again.replay(kept.reference, kept.content))
        tell(len(rows), count)
    totals = totals_of(rows)
    return {
        "policy_sha256": policy.sha256,
        "totals": {**asdict(totals), "cost_percent": round(totals.cost_percent, 3)},
        "changed": [
            {"reference": row.reference, "then": asdict(row.then), "now": asdict(row.now) if row.now else None}
            for row in rows
            if row.changed
        ],
    }


async def _chosen(database: Database, records: RoutingRecords, since: datetime, name: str) -> AsyncIterator[Kept]:
    if not name:
        async for each in records.since(since):
            yield each
        return
    order = await Queries(database).order(name)
    for each in await records.of_order(order["id"]) if order is not None else []:
        yield each


def _difference(kept: Kept, records: RoutingRecords) -> str:
    """What is wrong with a record; "" if nothing."""
    try:
        verdict = verified(kept.content, records.policy)
    except RecordError as error:
        return str(error)
    return "" if verdict.agrees else "the same inputs give another decision now"
