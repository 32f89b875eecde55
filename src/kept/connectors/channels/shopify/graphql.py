"""One GraphQL operation at Shopify's Admin API, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kept.connectors.answers import masked
from kept.connectors.channels.shopify.codes import BROKEN, THROTTLED
from kept.connectors.channels.shopify.queries import API_VERSION, Operation
from kept.connectors.http import HttpTarget, Request
from kept.ports import Fault, PermanentFault, TemporaryFault, UnknownResult

T = TypeVar("T")

_PATH = f"/admin/api/{API_VERSION}/graphql.json"
_THROTTLE_WAIT_MAX_S = 60.0  # the slowest plan refills a whole bucket in 20 s


class ErrorExtensions(msgspec.Struct):
    code: str = ""


class GraphqlError(msgspec.Struct):
    message: str = ""
    extensions: ErrorExtensions = msgspec.field(default_factory=ErrorExtensions)


class ThrottleStatus(msgspec.Struct, rename="camel"):
    currently_available: float = 0.0
    restore_rate: float = 0.0


class Cost(msgspec.Struct, rename="camel"):
    requested_query_cost: float = 0.0
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
    )

    def expected(parsed: Any) -> T:
        envelope = msgspec.convert(parsed, Envelope)
        if envelope.errors:
            raise _fault(target.name, request, envelope)
        return read(envelope.data)

    return await target.call(request, expected)


def _fault(target: str, request: Request, envelope: Envelope) -> Fault:
    """What GraphQL's own errors mean; they come with status 200."""
    codes = {error.extensions.code for error in envelope.errors}
    text = f"{target} {request.operation}: {masked(envelope.errors[0].message)}"
    if THROTTLED in codes:
        return TemporaryFault(text, retry_after_s=_throttle_wait_s(envelope.extensions.cost))
    if codes & BROKEN or envelope.data is not None:
        # It broke on the way, or did a part: a change may have been made.
        return UnknownResult(text) if request.changes else TemporaryFault(text)
    return PermanentFault(text, code=next(iter(sorted(codes - {""})), "graphql_error"))


def _throttle_wait_s(cost: Cost) -> float:
    """Seconds until the bucket has again what the operation costs."""
    status = cost.throttle_status
    missing = cost.requested_query_cost - status.currently_available
    if missing <= 0 or status.restore_rate <= 0:
        return 1.0
    return min(missing / status.restore_rate, _THROTTLE_WAIT_MAX_S)
