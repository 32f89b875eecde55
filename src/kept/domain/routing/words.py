"""A recorded decision in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kept.domain.money import to_decimal_string

_HOUR_S, _DAY_S = 3600, 86_400


def explained(record: Mapping[str, Any], currency: str) -> list[str]:
    """One line a thought. `record` is what `record.read` gives, `currency` the policy's."""
    outcome = record["outcome"]
    costs = outcome["costs"]
    parts = [_part(part) for part in outcome["parts"]]
    late = ", late: nobody could keep the promise" if outcome["late"] else ""
    lines = [f"{'; '.join(parts)}{late}"]
    total = costs["parcels_minor"] + costs["pieces_minor"] + costs["split_minor"] + costs["late_minor"]
    named = [
        ("parcels", costs["parcels_minor"]),
        ("pieces", costs["pieces_minor"]),
        ("further parcels", costs["split_minor"]),
        ("lateness", costs["late_minor"]),
    ]
    shares = ", ".join(f"{_money(minor, currency)} {name}" for name, minor in named if minor)
    lines.append(f"cost {_money(total, currency)} ({shares})" if shares else f"cost {_money(total, currency)}")
    if costs["scarcity_minor"]:
        lines.append(f"weighed besides: {_money(costs['scarcity_minor'], currency)} for pieces that others may want")
    lines += [_candidate(each, currency) for each in outcome["candidates"]]
    if outcome["runner_up"]:
        others = outcome["runner_up_costs"]
        weighed = sum(minor for name, minor in others.items() if name.endswith("_minor"))
        more = weighed - total - costs["scarcity_minor"]
        runner_up = "; ".join(_part(part) for part in outcome["runner_up"])
        lines.append(f"next best, for {_money(more, currency)} more: {runner_up}")
    lines += [_flip(each, currency) for each in outcome["flips"]]
    return lines


def _part(part: Mapping[str, Any]) -> str:
    pieces = ", ".join(f"{line['quantity']} {line['sku']}" for line in part["lines"])
    return f"{part['centre']} by {part['service']}: {pieces}, leaves {_day(part['ships_at'])}"


def _candidate(each: Mapping[str, Any], currency: str) -> str:
    if each["ruled_out"] is not None:
        return f"{each['centre']}: {each['detail']}"
    km = f", {each['km']} km" if each["km"] is not None else ""
    cost = each["parcel_minor"] + each["pieces_minor"]
    return (
        f"{each['centre']}: {_pieces(each['pieces'])} by {each['service']} for {_money(cost, currency)}{km}, "
        f"there {_day(each['delivers_at'])}"
    )


def _flip(each: Mapping[str, Any], currency: str) -> str:
    where = f"{each['centre']} by {each['service']}"
    match each["kind"]:
        case "cost":
            return f"had {where} cost {_money(each['by'], currency)} less, it would have been taken"
        case "stock":
            saves = _money(each["saves_minor"], currency)
            return f"had {where} had {_pieces(each['by'])} more, it would have saved {saves}"
    hours = -(-each["by"] // _HOUR_S)
    later = f"{-(-each['by'] // _DAY_S)} days" if each["by"] > 2 * _DAY_S else f"{hours} hours"
    return f"had the promise been {later} later, {where} would have saved {_money(each['saves_minor'], currency)}"


def _pieces(count: int) -> str:
    return f"{count} piece{'s' if count != 1 else ''}"


def _money(minor: int, currency: str) -> str:
    return f"{to_decimal_string(minor, currency)} {currency}"


def _day(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%a %d %b %H:%M} UTC"
