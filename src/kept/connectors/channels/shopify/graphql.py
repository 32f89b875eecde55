"""One GraphQL operation at Shopify's Admin API, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import masked
from kept.connectors.channels.shopify.codes import GRAPHQL_ERRORS, HTTP_ERRORS
from kept.connectors.channels.shopify.queries import API_VERSION, Operation
from kept.connectors.http import HttpTarget, Refused, Request
from kept.connectors.meanings import Meaning, fault_of
from kept.engine.quotas import Level
from kept.ports import AccessRefused, Fault, PermanentFault, TemporaryFault, UnknownResult

T = TypeVar("T")

_PATH = f"/admin/api/{API_VERSION}/graphql.json"
_CODE_CHARS_MAX = 64  # Shopify's longest has some 40
_THROTTLE_WAIT_MAX_S = 60.0  # the slowest plan refills a whole bucket in 20 s


class ErrorExtensions(msgspec.Struct):
    code: str = ""


class GraphqlError(msgspec.Struct):
    message: str = ""
    extensions: ErrorExtensions = msgspec.field(default_factory=ErrorExtensions)


class ThrottleStatus(msgspec.Struct, rename="camel"):
    maximum_available: float = 0.0
    currently_available: float = 0.0
    restore_rate: float = 0.0


class Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float = 0.0
    actual_query_cost: float | None = None
    throttle_status: ThrottleStatus = msgspec.field(default_factory=ThrottleStatus)


class Extensions(msgspec.Struct):
    cost: Cost = msgspec.field(default_factory=Cost)


class Envelope(msgspec.Struct):
    data: Any = None
    errors: list[GraphqlError] = msgspec.field(default_factory=list)
    extensions: Extensions = msgspec.field(default_factory=Extensions)


async def execute(
    target: HttpTarget, operation: Operation, variables: dict[str, Any], read: Callable[[Any], T], *, key: str = ""
) -> T:
    """The answer that `read` makes of an operation's data; it raises as `HttpTarget.call`'s `expected` does.

    Raises the faults of `HttpTarget.call`, and those that GraphQL's own errors mean.
    """
    request = Request(
        "POST",
        _PATH,
        json={"query": operation.document, "variables": variables},
        key=key or None,
        name=f"graphql {operation.name}",
        reads_only=not operation.changes,
        cost=operation.cost,
    )
    level: list[Level] = []

    def expected(parsed: Any) -> T:
        envelope = msgspec.convert(parsed, Envelope)
        level[:] = _levels(envelope.extensions.cost, operation.cost)
        if envelope.errors:
            raise _fault(target.name, request, envelope)
        return read(envelope.data)

    try:
        return await target.call(request, expected)
    finally:
        if level:
            await target.traffic.heed(request.operation, level[0])


def read_refusal(refused: Refused) -> Fault | None:
    """Shopify's own statuses."""
    meaning = HTTP_ERRORS.get(refused.status)
    if meaning is None:
        return None
    text = f"{refused.target} refused: {refused.status} to {refused.request.operation}"
    return fault_of(meaning, text, f"http_{refused.status}")


def _fault(target: str, request: Request, envelope: Envelope) -> Fault:
    """What GraphQL's own errors mean; they come with status 200."""
    codes = sorted({error.extensions.code for error in envelope.errors} - {""})
    meanings = {GRAPHQL_ERRORS.get(code, Meaning.PERMANENT) for code in codes}
    named = f"{masked(', '.join(codes))}: " if codes else ""
    text = f"{target} {request.operation}: {named}{masked(envelope.errors[0].message)}"
    if Meaning.TEMPORARY in meanings:
        return TemporaryFault(text, retry_after_s=_throttle_wait_s(envelope.extensions.cost))
    blamed = meanings & {Meaning.AUTH, Meaning.RIGHTS}
    if blamed and not (request.changes and _did_a_part(envelope.data)):
        return AccessRefused(text, code=codes[0], whole_account=Meaning.AUTH in blamed)
    refused = Meaning.PERMANENT in meanings
    if Meaning.UNKNOWN in meanings or (envelope.data is not None and (request.changes or not refused)):
        # It broke on the way, or did a part: a change may have been made.
        return UnknownResult(text) if request.changes else TemporaryFault(text)
    return PermanentFault(text, code=codes[0][:_CODE_CHARS_MAX] if codes else "graphql_error")


def _did_a_part(data: Any) -> bool:
    """Whether an operation with errors has a result all the same: a payload of which a field was refused."""
    return isinstance(data, dict) and any(value is not None for value in data.values())


def _levels(cost: Cost, taken: float) -> list[Level]:
    """What the answer says of the shop's bucket: what was asked for and not used is given back."""
    status = cost.throttle_status
    if status.restore_rate <= 0:
        return []
    refund = 0.0 if cost.actual_query_cost is None else max(0.0, taken - cost.actual_query_cost)
    return [Level(status.currently_available, status.restore_rate, status.maximum_available, refund=refund)]


def _throttle_wait_s(cost: Cost) -> float:
    """Seconds until the bucket has again what the operation costs. Source: shopify.dev, "Rate limits"."""
    status = cost.throttle_status
    missing = cost.requested_query_cost - status.currently_available
    if missing <= 0 or status.restore_rate <= 0:
        return 1.0
    return min(missing / status.restore_rate, _THROTTLE_WAIT_MAX_S)
