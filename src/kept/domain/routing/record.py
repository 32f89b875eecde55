"""A decision as it is kept: what it was made of, what came out, and what would have changed it.

The inputs are all that the decision depends on, so that anybody can make it again and must get the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson

from kept.domain.routing.demand import Demand, Situation
from kept.domain.routing.policy import RoutingPolicy, canonical
from kept.domain.routing.router import Plan, plan

KIND = "routing_decision"  # of an order's document that is a record
VERSION = 1  # of the record and of the rules by which decisions are made


class RecordError(Exception):
    """A record that can't be read. The text says where."""


@dataclass(frozen=True, slots=True)
class Record:
    """`content` is canonical JSON with `inputs`, `inputs_sha256`, `policy_sha256`, `outcome` and `version`."""

    content: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a decision that was made again is the same to the byte."""

    agrees: bool
    recorded: bytes
    recomputed: bytes


def inputs_of(demand: Demand, situation: Situation, policy: RoutingPolicy) -> dict[str, Any]:
    """Before the plan is taken: what it takes is gone from the situation afterwards."""
    skus = sorted({line.sku for line in demand.lines})
    limited = {centre.name for centre in policy.centres if centre.capacity_pieces}
    return {
        "now": situation.now,
        "demand": demand,
        "available": {
            centre.name: held
            for centre in policy.centres
            if (held := {sku: n for sku in skus if (n := situation.available.get((centre.name, sku), 0)) > 0})
        },
        "paused": dict(situation.paused),
        "booked": sorted((*key, pieces) for key, pieces in situation.booked.items() if key[0] in limited),
    }


def recorded(inputs: Mapping[str, Any], policy: RoutingPolicy, decision: Plan) -> Record:
    told = canonical(inputs)
    content = {
        "version": VERSION,
        "policy_sha256": policy.sha256,
        "inputs": orjson.Fragment(told),
        "inputs_sha256": hashlib.sha256(told).hexdigest(),
        "outcome": outcome_of(decision),
    }
    written = canonical(content)
    return Record(written, hashlib.sha256(written).hexdigest())


def outcome_of(decision: Plan) -> dict[str, Any]:
    return {
        "parts": decision.parts,
        "costs": decision.costs,
        "late": decision.late,
        "candidates": decision.candidates,
        "runner_up": decision.runner_up,
        "runner_up_costs": decision.runner_up_costs,
        "flips": decision.flips(),
    }


def verified(content: bytes, policy_of: Callable[[str], RoutingPolicy]) -> Verdict:
    """Make a recorded decision again. `policy_of` finds a policy by its hash. Raises RecordError."""
    record = read(content)
    if record["version"] != VERSION:
        raise RecordError(f"the record is of version {record['version']}, this is {VERSION}")
    policy = policy_of(record["policy_sha256"])
    demand, situation = demand_and_situation(record)
    inputs = inputs_of(demand, situation, policy)
    again = plan(demand, situation, policy)
    made = recorded(inputs, policy, again).content if isinstance(again, Plan) else b"no plan"
    return Verdict(made == content, content, made)


def read(content: bytes) -> dict[str, Any]:
    """A record's content, as JSON has it. Raises RecordError."""
    try:
        record = json.loads(content)
    except ValueError as error:
        raise RecordError(f"a record is no JSON: {error}") from error
    missing = {"version", "policy_sha256", "inputs", "inputs_sha256", "outcome"} - set(record)
    if missing:
        raise RecordError(f"a record lacks {sorted(missing)[0]}")
    return dict(record)


def policy_from(content: bytes) -> RoutingPolicy:
    """A policy of its canonical JSON. Raises RecordError."""
    try:
        policy = msgspec.convert(json.loads(content), RoutingPolicy, dec_hook=_zone)
    except (ValueError, msgspec.ValidationError) as error:
        raise RecordError(f"a policy can't be read: {error}") from error
    if canonical(policy) != content:
        raise RecordError("a policy is not what it was: its content has changed, or the program that reads it")
    return policy


def demand_and_situation(record: Mapping[str, Any]) -> tuple[Demand, Situation]:
    """What a record was decided on. Raises RecordError."""
    told = record["inputs"]
    try:
        demand = msgspec.convert(told["demand"], Demand, strict=False)
        situation = msgspec.convert({**told, "available": {}, "booked": {}}, Situation)
    except (KeyError, msgspec.ValidationError) as error:
        raise RecordError(f"a record's inputs can't be read: {error}") from error
    situation.available.update(_available(told["available"]))
    for centre, day, pieces in told["booked"]:
        situation.booked[centre, date.fromisoformat(day)] = pieces
    return demand, situation


def _available(told: Mapping[str, Mapping[str, int]]) -> Iterable[tuple[tuple[str, str], int]]:
    return (((centre, sku), pieces) for centre, held in told.items() for sku, pieces in held.items())


def _zone(kind: type[Any], value: Any) -> Any:
    if kind is ZoneInfo:
        return ZoneInfo(value)
    raise NotImplementedError(kind)
